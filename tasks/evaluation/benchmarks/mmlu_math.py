"""The subjects of mathematics in MMLU."""

names = (
    "mmlumath",
    "mmlumathematics",
    "mmluabstractalgebra",
    "mmlucollegemathematics",
    "mmluelementarymathematics",
    "mmluhighschoolmathematics",
    "mmluhighschoolstatistics",
)
domain = "other mathematics"
capability = "mathematics"
