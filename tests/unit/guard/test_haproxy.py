"""HAProxy's answers as recorded from version 2.6: what is read from them, and what is trouble."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.guard.haproxy import ANSWER_BYTES, COMMANDS_PER_GROUP, RuntimeSocket, parse_complaints, parse_shown
from controller.guard.model import NoBackend, ProxyTrouble, Server

HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port\n"
)
SWITCH = (
    "3 shop 1 stable - 2 0 99 100 1 1 0 2 0 0 0 0 - 0 - 0 0 - - 0\n"
    "3 shop 2 canary - 2 0 1 0 1 1 0 2 0 0 0 0 - 0 - 0 0 - - 0\n\n"
)
SERVERS = (Server("stable", "-", 0, 2, 0, 99), Server("canary", "-", 0, 2, 0, 1))


def test_the_weight_that_counts_is_read_and_not_the_initial_one() -> None:
    shown = parse_shown("\n\n" + HEAD + SWITCH, "shop")
    assert (shown.servers, shown.complaints) == (SERVERS, ())


def test_columns_are_found_by_name() -> None:
    head = "1\n# srv_uweight be_name srv_name srv_addr srv_port srv_op_state srv_admin_state extra\n"
    assert parse_shown(head + "7 p s1 ::1 80 2 4 x\n\n", "p").servers == (Server("s1", "::1", 80, 2, 4, 7),)


def test_what_haproxy_says_to_a_command_is_kept() -> None:
    refusal = "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n\n"
    assert parse_shown(refusal + HEAD + SWITCH, "shop").complaints == (refusal.strip(),)


@pytest.mark.parametrize(
    ("said", "complaints"),
    [
        ("IP changed from '::1' to '127.0.0.1', port changed from '1' to '2' by 'stats socket command'", 0),
        ("no need to change the addr, no need to change the port by 'stats socket command'", 0),
        ("Invalid addr 'foo' by 'stats socket command'", 1),
        ("No such server.", 1),
        ("Permission denied", 1),
        ("", 0),
    ],
)
def test_a_report_of_a_change_is_no_complaint(said: str, complaints: int) -> None:
    assert len(parse_complaints([said, ""])) == complaints


@pytest.mark.parametrize("said", ["Can't find backend.\n\n", "No such backend.\n\nCan't find backend.\n\n"])
def test_a_missing_backend_is_told_apart_from_trouble(said: str) -> None:
    with pytest.raises(NoBackend, match="has no backend shop"):
        parse_shown(said, "shop")


@pytest.mark.parametrize("said", ["", "Permission denied\n", "Unknown command, but maybe\n", "1\n", "# be_id\n"])
def test_any_other_answer_without_a_table_is_trouble(said: str) -> None:
    with pytest.raises(ProxyTrouble) as trouble:
        parse_shown(said, "shop")
    assert not isinstance(trouble.value, NoBackend)


@pytest.mark.parametrize(
    "row", ["3 shop 1 stable\n\n", SWITCH.replace(" 99 ", " x "), SWITCH.replace(" - 0 - ", " - x - ")]
)
def test_a_table_that_cannot_be_read_is_trouble_and_not_a_weight(row: str) -> None:
    with pytest.raises(ProxyTrouble, match="could not be read"):
        parse_shown(HEAD + row, "shop")


@contextmanager
def haproxy(path: Path, answers: list[bytes | None]) -> Iterator[list[bytes]]:
    """A socket that gives each connection the next answer; None keeps silent until the client is gone."""
    heard: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65_536))
                if answer is None:
                    connection.recv(1)
                else:
                    with suppress(OSError):
                        connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield heard
    thread.join(5)
    listener.close()
    assert not thread.is_alive()


def still() -> float:
    return 0.0


def test_a_group_of_commands_is_one_line_and_ends_with_the_look(tmp_path: Path) -> None:
    with haproxy(tmp_path / "s", [(HEAD + SWITCH).encode()]) as heard:
        RuntimeSocket(str(tmp_path / "s"), 2.0, still).push(
            "shop", ("set weight shop/canary 1", "set weight shop/stable 99")
        )
    assert heard == [b"set weight shop/canary 1;set weight shop/stable 99;show servers state shop\n"]


def test_many_commands_are_sent_in_groups_and_every_complaint_is_kept(tmp_path: Path) -> None:
    with haproxy(tmp_path / "s", [b"No such server.\n\n", (HEAD + SWITCH).encode()]) as heard:
        shown = RuntimeSocket(str(tmp_path / "s"), 2.0, still).push("shop", ("x",) * (COMMANDS_PER_GROUP + 1))
    assert [line.count(b"x") for line in heard] == [COMMANDS_PER_GROUP, 1]
    assert shown.complaints == ("No such server.",)


def test_silence_is_trouble_after_the_time_out(tmp_path: Path) -> None:
    with haproxy(tmp_path / "s", [None]), pytest.raises(ProxyTrouble, match="timed out"):
        RuntimeSocket(str(tmp_path / "s"), 0.05, still).look("shop")


def test_an_answer_without_an_end_is_trouble(tmp_path: Path) -> None:
    with haproxy(tmp_path / "s", [b"x" * (ANSWER_BYTES + 70_000)]), pytest.raises(ProxyTrouble, match="did not end"):
        RuntimeSocket(str(tmp_path / "s"), 2.0, still).look("shop")


def test_an_answer_that_drips_is_cut_off_at_the_deadline(tmp_path: Path) -> None:
    times = iter([0.0, 0.1, 5.0])
    with haproxy(tmp_path / "s", [b"1\n"]), pytest.raises(ProxyTrouble):
        RuntimeSocket(str(tmp_path / "s"), 2.0, lambda: next(times, 5.0)).look("shop")


@pytest.mark.parametrize("address", ["/nowhere/haproxy.sock", "127.0.0.1:1", "[::1]:1"])
def test_a_socket_nobody_listens_on_is_trouble(address: str) -> None:
    with pytest.raises(ProxyTrouble, match="HAProxy's socket"):
        RuntimeSocket(address, 1.0, still).look("shop")


def test_the_runtime_socket_may_be_on_tcp() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall((HEAD + SWITCH).encode())

    thread = threading.Thread(target=serve)
    thread.start()
    assert RuntimeSocket(f"127.0.0.1:{listener.getsockname()[1]}", 2.0, still).look("shop").servers == SERVERS
    thread.join(5)
    listener.close()
