"""Deduction from premises and puzzles with few answers: FOLIO, PrOntoQA, knights and knaves, AR-LSAT."""

names = ("folio", "prontoqa", "knightsknaves", "knightsandknaves", "kk", "arlsat")
domain = "logic"
capability = "reasoning"
