"""What finance asks: revenue, periods, trial balances, exports, payouts, margins."""
