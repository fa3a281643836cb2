"""Coefficients of src/ops/special.rs: Chebyshev fits of special functions, as polynomials in a variable from -1 to 1.

usage: python special.py      (needs: pip install mpmath)
Prints for each table its name, its coefficients from the highest power down, the largest relative error of the fit, and the Chebyshev coefficients of
src/ops/double_coefficients.rs, from the lowest degree up.
"""
from mpmath import mp, mpf, cos, pi, sqrt, exp, log, besselj, bessely, besseli, besselk, airyai, erfc, polyval, chebyt, matrix
mp.dps = 40

def fit(f, degree):
    n = degree + 1
    nodes = [cos(pi * (k + mpf(1) / 2) / n) for k in range(n)]
    values = [f(u) for u in nodes]
    c = [2 / mpf(n) * sum(v * cos(j * pi * (k + mpf(1) / 2) / n) for k, v in enumerate(values)) for j in range(n)]
    c[0] /= 2
    # Chebyshev to powers.
    t = [[mpf(1)], [mpf(0), mpf(1)]]
    while len(t) < n:
        a = [mpf(0)] + [2 * x for x in t[-1]]
        b = t[-2] + [mpf(0)] * (len(a) - len(t[-2]))
        t.append([x - y for x, y in zip(a, b)])
    power = [mpf(0)] * n
    for cj, tj in zip(c, t):
        for i, x in enumerate(tj):
            power[i] += cj * x
    return power[::-1]

def chebyshev(f, scale, n=96):
    nodes = [cos(pi * (k + mpf(1) / 2) / n) for k in range(n)]
    values = [f(u) for u in nodes]
    c = [2 / mpf(n) * sum(v * cos(j * pi * (k + mpf(1) / 2) / n) for k, v in enumerate(values)) for j in range(n)]
    c[0] /= 2
    while len(c) > 1 and sum(abs(x) for x in c[-2:]) < mpf("3e-17") * (scale or max(map(abs, values))):
        c.pop()
    return ", ".join(repr(float(x)) for x in c)

def table(name, f, degree, scale=None):
    p = fit(f, degree)
    worst = max(abs(polyval(p, u) - f(u)) / (scale or max(abs(f(u)), mpf("1e-30"))) for u in [mpf(i) / 97 for i in range(-97, 98)])
    digits = ", ".join(mp.nstr(x, 10, min_fixed=-4, max_fixed=6) for x in p)
    print(f"/// {name}, to {mp.nstr(worst, 2)}.\n[{digits}]\n{chebyshev(f, scale)}\n")

on = lambda a, b: lambda u: (a + b) / mpf(2) + (b - a) / mpf(2) * u
tiny = mpf("1e-30")

# J0, J1/x, on 0 to 8, in x²/32 - 1; Y without their logarithm likewise.
small = lambda f: lambda u: f(sqrt(max(32 * (u + 1), tiny)))
table("J0", small(lambda x: besselj(0, x)), 14, 1)
table("J1 / x", small(lambda x: besselj(1, x) / x), 13, mpf("0.1"))
table("Y0 - 2/pi ln x J0", small(lambda x: bessely(0, x) - 2 / pi * log(x) * besselj(0, x)), 14, 1)
table("(Y1 - 2/pi (ln x J1 - 1/x)) / x", small(lambda x: (bessely(1, x) - 2 / pi * (log(x) * besselj(1, x) - 1 / x)) / x), 13, mpf("0.1"))
# Beyond 8: sqrt(2/(pi x)) (P cos(x - phase) - Q 8/x sin(x - phase)), P and Q in 128/x² - 1.
def pq(n):
    phase = pi / 4 + n * pi / 2
    def both(u):
        x = sqrt(128 / max(u + 1, mpf("1e-12")))
        a = sqrt(pi * x / 2)
        j, y, t = besselj(n, x), bessely(n, x), x - phase
        return a * (j * cos(t) + y * mp.sin(t)), a * (y * cos(t) - j * mp.sin(t)) * x / 8
    return (lambda u: both(u)[0]), (lambda u: both(u)[1])
for n in (0, 1):
    p, q = pq(n)
    table(f"P{n}", p, 5, 1); table(f"Q{n}", q, 5, mpf("0.01"))
# exp(-x) I0 and exp(-x) I1/x on 0 to 8 in x/4 - 1; sqrt(x) exp(-x) I beyond, in 16/x - 1.
table("exp(-x) I0", lambda u: exp(-4 * (u + 1)) * besseli(0, 4 * (u + 1)), 17)
table("exp(-x) I1 / x", lambda u: exp(-4 * (u + 1)) * (besseli(1, 4 * (u + 1)) / (4 * (u + 1)) if u > -1 else mpf(1) / 2), 16)
far = lambda f: lambda u: f(16 / max(u + 1, mpf("1e-9")))
table("sqrt(x) exp(-x) I0", far(lambda x: sqrt(x) * exp(-x) * besseli(0, x)), 8)
table("sqrt(x) exp(-x) I1", far(lambda x: sqrt(x) * exp(-x) * besseli(1, x)), 8)
# K0 + ln(x/2) I0 and x (K1 - ln(x/2) I1) on 0 to 2 in x²/2 - 1; sqrt(x) exp(x) K beyond 2 in 4/x - 1.
near = lambda f: lambda u: f(sqrt(max(2 * (u + 1), tiny)))
table("K0 + ln(x/2) I0", near(lambda x: besselk(0, x) + log(x / 2) * besseli(0, x)), 7, 1)
table("x (K1 - ln(x/2) I1)", near(lambda x: x * (besselk(1, x) - log(x / 2) * besseli(1, x))), 7, 1)
mid = lambda f: lambda u: f(4 / max(u + 1, mpf("1e-9")))
table("sqrt(x) exp(x) K0", mid(lambda x: sqrt(x) * exp(x) * besselk(0, x)), 10)
table("sqrt(x) exp(x) K1", mid(lambda x: sqrt(x) * exp(x) * besselk(1, x)), 10)
# erfcx on 0 to infinity in (x - 2)/(x + 2), times 1 + 2x.
def erfcx(u):
    u = min(u, mpf(1) - mpf("1e-9"))
    x = 2 * (1 + u) / (1 - u)
    return (1 + 2 * x) * exp(x * x) * erfc(x)
table("(1 + 2x) erfcx", erfcx, 15)
# Airy: on -3 to 3 in x/3; beyond with zeta = 2/3 x^1.5.
table("Ai", lambda u: airyai(3 * u), 18, mpf("0.1"))
z3 = mpf(2) / 3 * mpf(3) ** mpf("1.5")
xz = lambda z: (mpf(3) / 2 * z) ** (mpf(2) / 3)
table("x^1/4 exp(zeta) Ai beyond 3, in 2 zeta3/zeta - 1", lambda u: (lambda z: xz(z) ** mpf("0.25") * exp(z) * airyai(xz(z)) if z < 1e6 else 1 / (2 * sqrt(pi)))(2 * z3 / max(u + 1, mpf("1e-7"))), 7)
def fg(which):
    def g(u):
        z = z3 * sqrt(2 / max(u + 1, mpf("1e-7")))
        x = xz(z); a = sqrt(pi) * x ** mpf("0.25"); t = z + pi / 4
        ai, bi = airyai(-x), mp.airybi(-x)
        # Ai = (sin t F - cos t G)/a, Bi = (cos t F + sin t G)/a
        return a * (ai * mp.sin(t) + bi * cos(t)) if which == 0 else a * (bi * mp.sin(t) - ai * cos(t)) * z
    return g
table("F beyond -3, in 2 (zeta3/zeta)² - 1", fg(0), 6, 1)
table("zeta G beyond -3", fg(1), 6, mpf("0.05"))

# Gauss's rules of 32 points, as nodes and weights: on 0 to 1, and on 0 to infinity with the weight exp(-v), where that is not lost.
def gauss(roots, weight):
    return [(x, weight(x)) for x in sorted(roots)]
def rule(name, points):
    rows = ", ".join(f"({mp.nstr(x, 17)}, {mp.nstr(w, 17)})" for x, w in points)
    print(f"/// {name}.\n[{rows}]\n")
n = 32
guesses = [cos(pi * (k + mpf(3) / 4) / (n + mpf(1) / 2)) for k in range(n)]
roots = [mp.findroot(lambda x: mp.legendre(n, x), (x, x + mpf("1e-4"))) for x in guesses]
slope = lambda x: n * (mp.legendre(n - 1, x) - x * mp.legendre(n, x)) / (1 - x * x)
rule("Legendre", [((x + 1) / 2, w / 2) for x, w in gauss(roots, lambda x: 2 / ((1 - x * x) * slope(x) ** 2))])
laguerre = mp.polyroots([mp.binomial(n, k) * (-1) ** k / mp.factorial(k) for k in range(n, -1, -1)], maxsteps=500, extraprec=400)
rule("Laguerre", [row for row in gauss(laguerre, lambda x: x / ((n + 1) * mp.laguerre(n + 1, 0, x)) ** 2) if row[1] > mpf("1e-26")])
