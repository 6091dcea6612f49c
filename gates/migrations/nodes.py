"""The node kinds and fields of the grammar that the rules know. What is not in this table is opaque, and so G3.

``field:Kind`` is a field that holds one node of that kind without a wrapper; every other field holds wrapped nodes,
lists of them, or plain values. What a newer grammar says beyond this table is not let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

_KNOWN: Mapping[str, str] = {
    "Alias": "aliasname colnames",
    "RangeVar": "catalogname schemaname relname inh relpersistence alias:Alias location",
    "IntoClause": "rel:RangeVar colNames accessMethod options onCommit tableSpaceName skipData",
    "NamedArgExpr": "arg name argnumber location",
    "BoolExpr": "boolop args location",
    "SubLink": "subLinkType subLinkId testexpr operName subselect location",
    "CaseExpr": "casetype casecollid arg args defresult location",
    "CaseWhen": "expr result location",
    "RowExpr": "args row_typeid row_format colnames location",
    "CoalesceExpr": "coalescetype coalescecollid args location",
    "MinMaxExpr": "minmaxtype minmaxcollid inputcollid op args location",
    "SQLValueFunction": "op type typmod location",
    "NullTest": "arg nulltesttype argisrow location",
    "BooleanTest": "arg booltesttype location",
    "SetToDefault": "typeId typeMod collation location",
    "GroupingFunc": "args refs agglevelsup location",
    "JoinExpr": "jointype isNatural larg rarg usingClause join_using_alias:Alias quals alias:Alias rtindex",
    "TypeName": "names typeOid setof pct_type typmods typemod arrayBounds location",
    "ColumnRef": "fields location",
    "A_Expr": "kind name lexpr rexpr rexpr_list_start rexpr_list_end location",
    "TypeCast": "arg typeName:TypeName location",
    "CollateClause": "arg collname location",
    "RoleSpec": "roletype rolename location",
    "FuncCall": (
        "funcname args agg_order agg_filter over:WindowDef agg_within_group agg_star agg_distinct "
        "func_variadic funcformat location"
    ),
    "A_Star": "",
    "A_Indices": "is_slice lidx uidx",
    "A_Indirection": "arg indirection",
    "A_ArrayExpr": "elements list_start list_end location",
    "ResTarget": "name indirection val location",
    "MultiAssignRef": "source colno ncolumns",
    "SortBy": "node sortby_dir sortby_nulls useOp location",
    "WindowDef": "name refname partitionClause orderClause frameOptions startOffset endOffset location",
    "RangeSubselect": "lateral subquery alias:Alias",
    "RangeFunction": "lateral ordinality is_rowsfrom functions alias:Alias coldeflist",
    "ColumnDef": (
        "colname typeName:TypeName compression inhcount is_local is_not_null is_from_type storage "
        "storage_name raw_default identity identitySequence:RangeVar generated collClause:CollateClause "
        "constraints fdwoptions location"
    ),
    "TableLikeClause": "relation:RangeVar options",
    "IndexElem": "name expr indexcolname collation opclass opclassopts ordering nulls_ordering",
    "DefElem": "defnamespace defname arg defaction location",
    "LockingClause": "lockedRels strength waitPolicy",
    "PartitionElem": "name expr collation opclass location",
    "PartitionSpec": "strategy partParams location",
    "PartitionBoundSpec": "strategy is_default modulus remainder listdatums lowerdatums upperdatums location",
    "PartitionRangeDatum": "kind value location",
    "PartitionCmd": "name:RangeVar bound:PartitionBoundSpec concurrent",
    "GroupingSet": "kind content location",
    "WithClause": "ctes recursive location",
    "InferClause": "indexElems whereClause conname location",
    "OnConflictClause": "action infer:InferClause targetList whereClause location",
    "CommonTableExpr": (
        "ctename aliascolnames ctematerialized ctequery search_clause:CTESearchClause "
        "cycle_clause:CTECycleClause location cterecursive cterefcount ctecolnames ctecoltypes ctecoltypmods "
        "ctecolcollations"
    ),
    "ReturningClause": "options exprs",
    "InsertStmt": (
        "relation:RangeVar cols selectStmt onConflictClause:OnConflictClause returningClause:ReturningClause "
        "withClause:WithClause override"
    ),
    "DeleteStmt": "relation:RangeVar usingClause whereClause returningClause:ReturningClause withClause:WithClause",
    "UpdateStmt": (
        "relation:RangeVar targetList whereClause fromClause returningClause:ReturningClause withClause:WithClause"
    ),
    "SelectStmt": (
        "distinctClause intoClause:IntoClause targetList fromClause whereClause groupClause groupDistinct "
        "havingClause windowClause valuesLists sortClause limitOffset limitCount limitOption lockingClause "
        "withClause:WithClause op all larg:SelectStmt rarg:SelectStmt"
    ),
    "CreateSchemaStmt": "schemaname authrole:RoleSpec schemaElts if_not_exists",
    "AlterTableStmt": "relation:RangeVar cmds objtype missing_ok",
    "AlterTableCmd": "subtype name num newowner:RoleSpec def behavior missing_ok recurse",
    "ATAlterConstraint": (
        "conname alterEnforceability is_enforced alterDeferrability deferrable initdeferred "
        "alterInheritability noinherit"
    ),
    "ReplicaIdentityStmt": "identity_type name",
    "AlterDomainStmt": "subtype typeName name def behavior missing_ok",
    "GrantStmt": "is_grant targtype objtype objects privileges grantees grant_option grantor:RoleSpec behavior",
    "ObjectWithArgs": "objname objargs objfuncargs args_unspecified",
    "FunctionParameter": "name argType:TypeName mode defexpr location",
    "AccessPriv": "priv_name cols",
    "AlterDefaultPrivilegesStmt": "options action:GrantStmt",
    "VariableSetStmt": "kind name args jumble_args is_local location",
    "VariableShowStmt": "name",
    "CreateStmt": (
        "relation:RangeVar tableElts inhRelations partbound:PartitionBoundSpec partspec:PartitionSpec "
        "ofTypename:TypeName constraints nnconstraints options oncommit tablespacename accessMethod "
        "if_not_exists"
    ),
    "Constraint": (
        "contype conname deferrable initdeferred is_enforced skip_validation initially_valid is_no_inherit "
        "raw_expr generated_when generated_kind nulls_not_distinct keys without_overlaps including exclusions "
        "options indexname indexspace reset_default_tblspc access_method where_clause pktable:RangeVar "
        "fk_attrs pk_attrs fk_with_period pk_with_period fk_matchtype fk_upd_action fk_del_action "
        "fk_del_set_cols location"
    ),
    "CreateExtensionStmt": "extname if_not_exists options",
    "AlterExtensionStmt": "extname options",
    "CreatePolicyStmt": "policy_name table:RangeVar cmd_name permissive roles qual with_check",
    "AlterPolicyStmt": "policy_name table:RangeVar roles qual with_check",
    "CreateTrigStmt": (
        "replace isconstraint trigname relation:RangeVar funcname args row timing events columns whenClause "
        "transitionRels deferrable initdeferred constrrel:RangeVar"
    ),
    "TriggerTransition": "name isNew isTable",
    "CreateSeqStmt": "sequence:RangeVar options for_identity if_not_exists",
    "AlterSeqStmt": "sequence:RangeVar options for_identity missing_ok",
    "CreateDomainStmt": "domainname typeName:TypeName collClause:CollateClause constraints",
    "DropStmt": "objects removeType behavior missing_ok concurrent",
    "CommentStmt": "objtype object comment",
    "IndexStmt": (
        "idxname relation:RangeVar accessMethod tableSpace indexParams indexIncludingParams options "
        "whereClause excludeOpNames idxcomment unique nulls_not_distinct primary isconstraint "
        "iswithoutoverlaps deferrable initdeferred transformed concurrent if_not_exists reset_default_tblspc"
    ),
    "CreateStatsStmt": "defnames stat_types exprs relations stxcomment transformed if_not_exists",
    "StatsElem": "name expr",
    "AlterStatsStmt": "defnames stxstattarget missing_ok",
    "CreateFunctionStmt": "is_procedure replace funcname parameters returnType:TypeName options sql_body",
    "AlterFunctionStmt": "objtype func:ObjectWithArgs actions",
    "RenameStmt": "renameType relationType relation:RangeVar object subname newname behavior missing_ok",
    "AlterObjectSchemaStmt": "objectType relation:RangeVar object newschema missing_ok",
    "AlterOwnerStmt": "objectType relation:RangeVar object newowner:RoleSpec",
    "TransactionStmt": "kind options savepoint_name gid chain location",
    "CompositeTypeStmt": "typevar:RangeVar coldeflist",
    "CreateEnumStmt": "typeName vals",
    "CreateRangeStmt": "typeName params",
    "AlterEnumStmt": "typeName oldVal newVal newValNeighbor newValIsAfter skipIfNewValExists",
    "ViewStmt": "view:RangeVar aliases query replace options withCheckOption",
    "ClusterStmt": "relation:RangeVar indexname params",
    "VacuumStmt": "options rels is_vacuumcmd",
    "VacuumRelation": "relation:RangeVar oid va_cols",
    "CreateTableAsStmt": "query into:IntoClause objtype is_select_into if_not_exists",
    "RefreshMatViewStmt": "concurrent skipData relation:RangeVar",
    "LockStmt": "relations mode nowait",
    "ConstraintsSetStmt": "constraints deferred",
    "ReindexStmt": "kind relation:RangeVar name params",
    "ExplainStmt": "query options",
    "PublicationTable": "relation:RangeVar whereClause columns",
    "PublicationObjSpec": "pubobjtype name pubtable:PublicationTable location",
    "CreatePublicationStmt": "pubname options pubobjects for_all_tables",
    "AlterPublicationStmt": "pubname options pubobjects for_all_tables action",
    "Integer": "ival",
    "Float": "fval",
    "Boolean": "boolval",
    "String": "sval",
    "BitString": "bsval",
    "List": "items",
    "A_Const": "ival:Integer fval:Float boolval:Boolean sval:String bsval:BitString isnull location",
    "TruncateStmt": "relations restart_seqs behavior",
}


@cache
def fields_of(kind: str) -> Mapping[str, str] | None:
    """Field name to the kind it holds without a wrapper, or to ""; None for a kind that is not known."""
    known = _KNOWN.get(kind)
    if known is None:
        return None
    pairs = (field.partition(":") for field in known.split())
    return {name: inner for name, _, inner in pairs}


def kinds() -> tuple[str, ...]:
    return tuple(_KNOWN)
