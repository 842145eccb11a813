"""Tests of sending units and prices to stores."""
