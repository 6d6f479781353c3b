"""Tickets, prices and the daily report of a car park."""
