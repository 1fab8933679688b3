"""Tests of what a portal's software calls."""
