"""Who a credential belongs to: accounts, the persons behind them, and what those may do. It asks nobody."""
