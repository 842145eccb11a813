"""What a merchant's plan costs: plans that an operator sets, periods on them, and monthly invoices, paid as the operator says."""
