"""What the person who runs the installation needs: who is alive, who keeps the clock, what is wrong and how to mend it, backup, restore."""

VERSION = "0.1.0"
