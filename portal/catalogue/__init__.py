"""Products by Master SKU, and which inventory items are behind them: matched by rules, judged by pure functions, applied by one."""
