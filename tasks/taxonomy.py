"""The fixed lists of subdomains: canonical English name -> (domain, Chinese name); and the Chinese names of domains.

The columns `domain` and `subdomain` have the English names in every language, because quotas, shares and queries compare them. What a person or
a model reads about a Chinese row has the Chinese names.
"""

from __future__ import annotations

SUBDOMAINS: dict[str, tuple[str, str]] = {
    "multi-step arithmetic": ("arithmetic", "多步算术"),
    "fractions and percentages": ("arithmetic", "分数与百分数"),
    "ratios and proportions": ("arithmetic", "比和比例"),
    "rates and units": ("arithmetic", "速率与单位"),
    "linear equations": ("algebra", "一元一次方程"),
    "quadratic equations": ("algebra", "一元二次方程"),
    "systems of equations": ("algebra", "方程组"),
    "polynomials": ("algebra", "多项式"),
    "inequalities": ("algebra", "不等式"),
    "sequences and series": ("algebra", "数列"),
    "exponents and logarithms": ("algebra", "指数与对数"),
    "functions": ("algebra", "函数"),
    "matrix operations": ("linear algebra", "矩阵运算"),
    "determinants": ("linear algebra", "行列式"),
    "vectors": ("linear algebra", "向量"),
    "derivatives": ("calculus", "导数"),
    "integrals": ("calculus", "积分"),
    "limits": ("calculus", "极限"),
    "divisibility and gcd": ("number theory", "整除与最大公约数"),
    "modular arithmetic": ("number theory", "同余"),
    "primes and factorization": ("number theory", "质数与分解"),
    "plane geometry": ("geometry", "平面几何"),
    "coordinate geometry": ("geometry", "解析几何"),
    "solid geometry": ("geometry", "立体几何"),
    "trigonometry": ("geometry", "三角学"),
    "counting": ("combinatorics", "计数"),
    "probability": ("probability", "概率"),
    "expected value": ("probability", "期望"),
    "descriptive statistics": ("statistics", "统计"),
}

# Subdomains whose rows procedures make. No quota of a night names them: a method of such rows states them in `subdomains`
# (tasks.methods.FixedSubdomains).
PROCEDURAL: dict[str, tuple[str, str]] = {
    "deduction": ("logic", "演绎推理"),
    "logic puzzles": ("logic", "逻辑谜题"),
}

_ALL = SUBDOMAINS | PROCEDURAL

# domain -> its Chinese name
_CHINESE_DOMAINS: dict[str, str] = {
    "arithmetic": "算术",
    "algebra": "代数",
    "linear algebra": "线性代数",
    "calculus": "微积分",
    "number theory": "数论",
    "geometry": "几何",
    "combinatorics": "组合数学",
    "probability": "概率论",
    "statistics": "统计学",
    "logic": "逻辑",
}

DOMAINS = tuple(dict.fromkeys(domain for domain, _ in _ALL.values()))


def domain_of(subdomain: str) -> str | None:
    """Return the domain of a canonical subdomain, None if it is in neither list."""
    entry = _ALL.get(subdomain)
    return entry[0] if entry else None


def local_name(subdomain: str, language: str) -> str:
    """Return the name of a subdomain or a domain in a text in `language`; one that is in no list as it is."""
    if language != "zh":
        return subdomain
    entry = _ALL.get(subdomain)
    return entry[1] if entry else _CHINESE_DOMAINS.get(subdomain, subdomain)
