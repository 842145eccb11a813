"""The version before, in the middle of its work, continued by this one."""
