"""Makes the goldens of runtime/Template with the PyPI package `jinja2`, set up as transformers sets it up.

make_goldens.py           writes models.json (each *.jinja here with each chat) and language.json (snippets)
make_goldens.py RENDER    compares RENDER (build/test/bin/render) with Jinja on generated expressions and templates
make_goldens.py CHATS N [FOLDER]
                          compares CHATS (build/test/bin/render-chats) with the package `transformers` on N generated chats
                          for each *.jinja here, or in FOLDER (test/goldens/text/real.py fetches published ones)

The templates are written after the published behaviour of the models that they are named for.
"""
import copy, datetime, glob, json, os, random, subprocess, sys
import jinja2, jinja2.ext, jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))


class Generation(jinja2.ext.Extension):
    """{% generation %}, whose body transformers renders as it stands."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("body"), [], [], body).set_lineno(line)

    def body(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime.datetime(2025, 1, 31).strftime(form)
    return env


def render(text, variables):
    """The text, or None where Jinja fails."""
    try:
        return environment().from_string(text).render(**copy.deepcopy(variables)) # a filter of Jinja's changes lists
    except Exception:
        return None


TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather of a \"place\".", "parameters": {
    "type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer", "default": 1}}, "required": ["place"]}}}]
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2}}}]}
CALL_TEXT = {**CALL, "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": "{\"place\": \"Zürich\"}"}}]}
USER, SYSTEM = {"role": "user", "content": "  Hi <there>, 'you' & \"me\" ü👍\n"}, {"role": "system", "content": "Be brief. "}
ANSWER = {"role": "assistant", "content": " Hello!\nWell. "}
CHATS = [
    [USER], [USER, ANSWER], [SYSTEM, USER], [SYSTEM, USER, ANSWER], [USER, ANSWER, USER], [USER, ANSWER, USER, ANSWER],
    [SYSTEM, USER, ANSWER, USER, {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nYes."}, USER, ANSWER],
    [USER, {"role": "assistant", "content": "Yes.", "reasoning_content": "\nHm, why?\n"}, USER],
    [USER, CALL, {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": "{\"t\": -3.5}"}, ANSWER],
    [USER, CALL_TEXT, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}, ANSWER, USER],
    [USER, USER], [ANSWER, USER], [], [{"role": "user", "content": [{"type": "text", "text": " parts "}, {"type": "image"}]}, ANSWER],
    [{"role": "critic", "content": "?"}], [{"role": "user"}],
]
MORE = [{}, {"add_generation_prompt": True}, {"tools": TOOLS, "add_generation_prompt": True}, {"enable_thinking": False, "add_generation_prompt": True},
        {"date_string": "1 May 2025"}]

# Snippets with the variables that all see; what Jinja prints is expected, or that it fails.
DATA = {"s": "Hello, World", "n": 7, "f": 2.5, "l": [3, 1, 2], "d": {"b": 1, "a": [True, None, "x'y"], "items": 5}, "e": "", "z": None,
        "u": "ÄßéǅΣ 日本", "m": [{"r": "user", "c": "x"}, {"r": "bot", "c": "Y"}, {"r": "user"}], "t": True, "w": " \t a  b\nc \u3000"}
SNIPPETS = """
{{ s }}|{{ n }}|{{ f }}|{{ l }}|{{ d }}|{{ z }}|{{ t }}|{{ missing }}|
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 1 / 3 }} {{ 10 / 5 }}
{{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e-7 }} {{ 123456789.125 }} {{ 1e100 }} {{ 3.0 }} {{ 1_000 }} {{ -0.0 }}
{{ 'a' ~ 1 ~ none ~ true ~ 2.0 ~ missing ~ [1] }} {{ 'ab' * 3 }} {{ [1] * 2 }} {{ 'a' 'b' "c" }} {{ 'a' + 'b' }}
{{ 'a' + 1 }}
{{ missing.x }}
{{ missing + 1 }}
{{ 1 / 0 }}
{{ s.missing }}|{{ d.zz }}|{{ l[10] }}|{{ d['zz'] }}|{{ s[99] }}
{{ s[0] }}{{ s[-1] }}{{ s[1:4] }}{{ s[::-1] }}{{ s[:-2] }}{{ s[-3:] }}{{ s[::2] }}{{ s[5:1] }}{{ s[5:1:-2] }}
{{ u[0] }}{{ u[-2:] }}{{ u|length }}{{ u.lower() }}{{ u.upper() }}{{ u[::-1] }}{{ 'straße'.upper() }}
{{ l[0] }}{{ l[-1] }}{{ l[1:] }}{{ l[::-1] }}{{ l[5:] }}{{ l[0:2] }}{{ (1, 2)[1:] }}{{ (1,) }}{{ () }}{{ (1, 2) }}
{{ d.b }}{{ d['b'] }}{{ d.a[2] }}{{ d.get('b') }}{{ d.get('q') }}{{ d.get('q', 9) }}{{ d['items'] }}{{ d.items()|list }}{{ d.keys()|list }}{{ d.values()|list }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ k }} {% endfor %}
{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }} {% endfor %}
{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}none{% endfor %}{% for x in l if x > 9 %}a{% else %}none{% endfor %}
{% for a in [1, 2] %}{% for b in 'xy' %}{{ loop.depth }}{{ a }}{{ b }}{% endfor %}{{ loop.depth0 }}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in range(2, 10, 3) %}{{ i }}{% endfor %}{% for i in range(3, 0, -1) %}{{ i }}{% endfor %}{{ range(3)|list }}
{% for c in '日本x' %}[{{ c }}]{% endfor %}{% for x in missing %}a{% else %}b{% endfor %}
{% for x in 5 %}a{% endfor %}
{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set ns = namespace(x=0, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.zz }}
{% set q = 5 %}{% set q.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}
{% set x %}a {{ n }} b{% endset %}[{{ x }}]{% set y | upper %}abc{% endset %}{{ y }}
{% macro f(a, b='d', c=n) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 2) }} {{ f(b=3, a=4) }} {{ f() }} {{ f(1)|upper }}
{% macro f(k) %}{% if k > 0 %}{{ k }}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(4) }}
{% macro f(a) %}{{ outer }}{{ a }}{% set outer = 9 %}{% endmacro %}{% set outer = 1 %}{{ f(2) }}{{ outer }}
{% macro f(a) %}x{% endmacro %}{{ f(1, 2) }}
{{ nothing() }}
{{ n() }}
{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b')|trim %} aba {% endfilter %}
{{ 'x' if t else 'y' }}{{ 'x' if not t }}{{ 'x' if z else 'y' if e else 'w' }}{{ ('a' if false) is defined }}
{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 1 == 1.0 }}{{ true == 1 }}{{ 'a' < 'b' }}{{ [1, 2] < [1, 3] }}{{ none == none }}{{ 'a' != 'b' }}{{ (1, 2) == [1, 2] }}
{{ 'a' < 1 }}
{{ 'ell' in s }}{{ 3 in l }}{{ 'b' in d }}{{ 'x' not in l }}{{ 1 in missing }}{{ not 1 in l }}
{{ 1 in 'a' }}
{{ 1 and 2 }}{{ 0 or 'x' }}{{ not 0 }}{{ '' or [] or none }}{{ 1 or missing.x }}{{ 0 and missing.x }}
{{ missing is defined }}{{ s is defined }}{{ missing is undefined }}{{ z is none }}{{ z is not none }}{{ missing is none }}{{ d.q is defined }}
{{ s is string }}{{ n is number }}{{ f is float }}{{ n is integer }}{{ t is integer }}{{ t is boolean }}{{ d is mapping }}{{ l is mapping }}{{ l is iterable }}{{ s is iterable }}{{ n is iterable }}{{ l is sequence }}{{ n is sequence }}{{ t is true }}{{ n is true }}{{ t is false }}
{{ n is odd }}{{ n is even }}{{ n is divisibleby 7 }}{{ n is divisibleby(2) }}{{ n is eq 7 }}{{ n is gt 3 }}{{ n is in [1, 7] }}{{ n is sameas 7 }}{{ 'a' is lower }}{{ 'A' is upper }}{{ '1' is upper }}{{ range is callable }}{{ s is callable }}{{ 'upper' is filter }}{{ 'zz' is filter }}
{{ s|upper }}{{ s|lower }}{{ 'hello wORLD-x (y'|title }}{{ 'hello WORLD'|capitalize }}{{ ' a '|trim }}{{ 'xxaxx'|trim('x') }}{{ s|replace('l', 'L') }}{{ s|replace('l', 'L', 1) }}{{ s|length }}{{ 'a b  c'|wordcount }}
{{ l|join(', ') }}{{ l|sort }}{{ l|sort(reverse=true) }}{{ l|first }}{{ l|last }}{{ l|max }}{{ l|min }}{{ l|sum }}{{ l|reverse|list }}{{ 'abc'|reverse }}{{ l|length }}{{ l|count }}{{ [1, 1, 2]|unique|list }}{{ [[1, 2], [3]]|sum(start=[]) }}{{ ['b', 'A', 'c']|sort }}{{ ['b', 'A']|sort(case_sensitive=true) }}
{{ []|first }}{{ []|max }}{{ missing|length }}{{ missing|join }}{{ missing|upper }}{{ missing|default('d') }}{{ e|default('d') }}{{ e|default('d', true) }}{{ z|d('q') }}
{{ m|map(attribute='r')|join(',') }}{{ m|map(attribute='c', default='-')|join }}{{ m|map('length')|list }}{{ m|selectattr('c')|list|length }}{{ m|selectattr('r', 'equalto', 'user')|map(attribute='c')|list }}{{ m|rejectattr('r', 'eq', 'user')|list }}{{ l|select('gt', 1)|list }}{{ l|reject('odd')|list }}{{ l|select|list }}{{ [0, 1, '']|select|list }}{{ m|map(attribute='r')|unique|list }}{{ m|sort(attribute='r')|map(attribute='r')|list }}
{{ d|dictsort }}{{ d|items|list }}{{ {'B': 2, 'a': 1}|dictsort }}{{ {'B': 2, 'a': 1}|dictsort(by='value') }}{{ {'B': 2, 'a': 1}|dictsort(true, reverse=true) }}
{{ [1, 2, 3]|batch(2)|list }}{{ [1, 2, 3]|batch(2, 'x')|list }}{{ 'abc'|list }}{{ d|list }}{{ 3.7|int }}{{ '12'|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ 'ff'|int(0, 16) }}{{ '1.9'|int }}{{ '2.5'|float }}{{ 'q'|float }}{{ -3|abs }}{{ 2.5|round }}{{ 3.5|round }}{{ 2.345|round(2) }}{{ 2.1|round(0, 'ceil') }}{{ 7|string }}{{ 7|round }}
{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(2, blank=true) }}|{{ 'a\\nb'|indent('> ') }}|{{ 'ab'|center(7) }}|{{ 'abc'|center(6) }}|
{{ d|tojson }}{{ s|tojson }}{{ u|tojson }}{{ u|tojson(ensure_ascii=true) }}{{ d|tojson(indent=2) }}{{ []|tojson }}{{ {}|tojson(indent=2) }}{{ d|tojson(sort_keys=true) }}{{ l|tojson(separators=(',', ':')) }}{{ 'a"\\\\\\n\\t\\x01\\x7f/'|tojson }}{{ {1: 2, true: 3, none: 4, 1.5: 5}|tojson }}
{{ missing|tojson }}
{{ '😀'|tojson(ensure_ascii=true) }}{{ l|tojson(indent='--') }}
{{ s.split(',') }}{{ w.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ w.split(none, 1) }}{{ ' a b '.rsplit(none, 1) }}{{ 'a--b'.split('--')[-1] }}{{ ''.split() }}{{ ''.split(',') }}{{ 'a\\r\\nb\\x0bc\\n'.splitlines() }}{{ 'a\\nb'.splitlines(true) }}
{{ 'x'.split('') }}
{{ w.strip() }}|{{ w.lstrip() }}|{{ w.rstrip() }}|{{ 'xyaxy'.strip('xy') }}{{ 'aab'.lstrip('a') }}{{ 'äaä'.strip('ä') }}{{ 'a'.strip('') }}{{ ' a'.strip(none) }}
{{ s.startswith('He') }}{{ s.startswith(('x', 'H')) }}{{ s.endswith('ld') }}{{ s.find('o') }}{{ s.rfind('o') }}{{ s.find('zz') }}{{ s.count('l') }}{{ u.find('日') }}{{ s.index('W') }}{{ 'aaa'.count('') }}{{ s.replace('l', '') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'ab'.replace('', '-') }}
{{ 'x'.index('y') }}
{{ ', '.join(['a', 'b']) }}{{ 'abc'.title() }}{{ "they're bill's".title() }}{{ 'aBC dE'.capitalize() }}{{ '12'.isdigit() }}{{ 'a1'.isalnum() }}{{ 'ab'.isalpha() }}{{ ''.isdigit() }}{{ ' '.isspace() }}{{ 'prefix_x'.removeprefix('prefix_') }}{{ 'x.py'.removesuffix('.py') }}{{ 'a'.ljust(3, '.') }}{{ 'a'.rjust(3) }}{{ 'a'.center(4, '*') }}
{{ ', '.join([1]) }}
{{ l.append(4) }}
{{ d.update({'q': 1}) }}
{{ l.count(1) }}{{ l.index(2) }}{{ dict(a=1, b='x') }}{{ dict(d, z=2) }}{{ d.copy() == d }}
{{ {'a': 1, 'b': {'c': [1, {}]}, 'a': 2} }}{{ [[], [[]]] }}{{ "it's" }}{{ ["it's", 'say "x"', "both ' and \\""] }}{{ ['\\n\\t\\\\\\x00é\\u200b'] }}
{{ [1.0, 1e-9, true, none] }}{{ 'a\\u00e9\\x41\\101\\q' }}
{{ raise_exception('no: ' ~ n) }}
{{ loop }}
a {%- if t %} b {% endif -%} c
a
  {%- if t %}
    b
  {%- endif %}
c
a
  {% if t %}
    b
  {% endif %}
c
  {%+ if t %}x{% endif +%}
y
  {{- s -}}
z
a {# comment #} b
  {# alone #}
c{#- close -#}   d
{% raw %}{{ x }} {% if %}{% endraw %}{%- raw -%} a {{ b }} {%- endraw -%} c
{{ {'a': {'b': 1}}}}
{{ "}}" }}{{ '%}' }}{% if '%}' %}x{% endif %}
{%if t%}x{%elif n%}y{%else%}z{%endif%}{%-   if   t   -%}   q   {%-   endif   -%}
{% if missing %}a{% elif n == 7 %}b{% endif %}{% if [] %}a{% elif '' %}b{% else %}c{% endif %}
{% generation %}{{ s }}{% set inner = 1 %}{% endgeneration %}{{ inner }}
{{ strftime_now('%d %b %Y') }}
{{ m[0].r }}{{ m[0]['c'] }}{{ m.0.r }}{{ m[-1].c is defined }}{{ m|length - 1 }}{{ m[m|length - 1]['r'] }}{{ (m|last).r }}
{{ s|safe }}{{ n|string ~ 'x' }}{{ -n|abs }}{{ (-n)|abs }}{{ 'a' ~ 'b'|upper }}{{ n + l|length }}{{ not s is string }}{{ n is not string and t }}
{{ 'a' in 'abc' and 'x' not in 'abc' }}{{ 'a' ~ 1 + 2 }}{{ 1 ~ 2 * 3 }}{{ 2 * 3 ~ 4 }}
{{ s | nosuch }}
{{ s is nosuch }}
{% nosuch %}
{% if t %}
{% endif %}
{{ s
{% for x in l %}
{{ (1 }}
{{ 1 + }}
{{ 'abc }}
{# abc
{{ s ! n }}
{{ f(a=1, 2) }}
{% break %}
{{ n.x.y }}
{{ z.x }}|
{{ z.x.y }}
{{ z[0] }}
{{ n|length }}
{{ s[l] }}
{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}{% for x in [3] %}{{ f() }}{% endfor %}
{% for m in m %}{{ m.r }}{% endfor %}{{ m|length }}
{{ (l + [4])|length }}{{ [1] + [2] }}{{ (1,) + (2,) }}
{{ [1] + (2,) }}
{{ '%s' }}{{ 'a%b' }}{{ 5 % 3 }}
{{ 9223372036854775807 }}{{ 0x }}
{{ true }}{{ True }}{{ none }}{{ None }}{{ false }}
{{ 'x' is in 'xyz' }}{{ 'a' == 'a' is true }}
{{ f[1:] }}
{{ t[1:] }}
{{ d[1:] }}
{{ z[::-1] }}
{{ [] in d }}
{{ (1, [2]) in d }}
{{ 'a<'|safe + '<b' + '>'|safe }}{{ '<' + '&'|safe }}{{ ('<'|safe)|upper + "'" }}{{ ('a'|safe) ~ '<' }}{{ '<b>'|safe|trim('<') + '<' }}{{ ('ab'|safe)[0] + '<' }}{{ ('ab'|safe) * 2 + '<' }}{{ ('ab'|safe)[::-1] + '"' }}
{{ ('a,b'|safe).split(',')[0] + '<' }}{{ ('ab'|safe).replace('b', '<') }}{{ ('-'|safe).join(['<', '>']) }}{{ ['<'|safe, '<'] }}{{ ('a'|safe)|string + '<' }}{{ ('A'|safe).lower() + '<' }}{{ ('ab'|safe)|replace('b', 'c') + '<' }}{{ ('ab'|safe)|title + '<' }}{{ ('ab'|safe)|list|first + '<' }}
{{ ('a<'|safe).startswith('a<') }}{{ ('a&lt;'|safe).strip('<') }}{{ '<' in ('<'|safe) }}{{ ('<'|safe) == '<' }}{{ ('a'|safe)|tojson }}{{ ('a'|safe)|length }}{% set x = 'a'|safe %}{{ x + '<' }}{% set y %}{{ x }}{% endset %}{{ y + '<' }}
{{ 'ΣΑΣ ΑΣ.'.capitalize() }}{{ 'ΣΑΣ ΑΣ. ΑΣΑ'.title() }}{{ 'ΣΑΣ ΑΣ'|capitalize }}
{{ missing|int }}
{{ missing|float }}
{{ [[1]]|unique|list }}
{{ '<{}|{}>'.format(1, 'a') }}{{ '{0}{1}{0}'.format('a', none) }}{{ '{a}{b!r}'.format(a=[1, 'x'], b='q') }}{{ '{{}}{}'.format(2.5) }}{{ '{!s}'.format(true) }}{{ '{}'.format(missing) }}{{ ''.format() }}{{ '{:}'.format('x') }}
{{ '{}{}'.format(1) }}
{{ '{0}{}'.format(1, 2) }}
{{ '{a}'.format(1) }}
{{ '{'.format(1) }}
{{ '}'.format(1) }}
{% if missing %}{{ s|nosuch }}{% elif s is nosuch2 and e %}{{ s is nosuch }}{% else %}a{% endif %}
{% if missing %}{{ s|nosuch }}{% elif t %}{{ s is string }}{% else %}{{ 1|nosuch }}{% endif %}{{ s|nosuch if missing else 'b' }}{{ 'c' if t else s is nosuch }}
{% if t %}{{ s|nosuch }}{% endif %}
{% if missing %}{% for x in l %}{{ x|nosuch }}{% endfor %}{% endif %}
{% if missing %}{% for x in l|nosuch %}{{ x }}{% endfor %}{% endif %}a
{% if missing %}{% for x in l %}{% if x %}{{ x|nosuch }}{% endif %}{% endfor %}{% endif %}b
{% if missing %}{% for x in l if x is nosuch %}{{ x }}{% endfor %}{% endif %}
{% if missing %}{% set x %}{{ 1|nosuch }}{% endset %}{% endif %}
{% if missing %}{% set x = 1|nosuch %}{% endif %}c
{% if missing %}{% filter nosuch %}a{% endfilter %}{% endif %}
{% if missing %}{% generation %}{{ s|nosuch }}{% endgeneration %}{% endif %}
{% macro f() %}{{ 1|nosuch }}{% endmacro %}
{{ [s|nosuch] if missing }}d{{ (1 if missing else 2)|nosuch }}
{{ d.items()|list|sort }}{{ {'b': 1, 'a': 'x', 'c': none}.items()|sort }}{{ [(2, 'a'), (1, 'b'), (1, 'a')]|sort(reverse=true) }}{{ [none]|sort }}{{ [(1, 2), (0, 9)]|max }}
{{ [(1, 'a'), (1, 2)]|sort }}
{{ [1, 'a', 2]|sort }}
{{ ['b', 'a', 'B', 'A']|sort }}{{ [3, 1.5, true]|sort }}{{ range(40)|map('string')|sort|join }}{{ m|sort(attribute='r', reverse=true)|map(attribute='r')|list }}
{{ '%s is %d, %5.2f|%-6s|%06d|%x' % ('a', 3.9, f, 'b', -42, 255) }}{{ '%s' % n }}{{ '%r %s %%' % (s, l) }}{{ '%(a)s-%(b)s' % {'a': 1, 'b': none} }}{{ '%c%c' % (65, 'é') }}{{ '%.3s|%5s|%-5s|' % (u, 'é', 'é') }}{{ '%e %G %+d % d' % (1234.5, 0.00001, 3, 4) }}{{ '%.3d %o' % (7, 8) }}
{{ '%s %s'|format('a', 1) }}{{ '%(x)05d'|format(x=3) }}{{ 'a'|format }}{{ '%d%%'|format(n) }}{{ '%s' % (missing,) }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ 'a' % 1 }}
{{ '%(a)s' % 1 }}
{{ '%y' % 1 }}
{{ '%' % 1 }}
{{ '%x' % 2.5 }}
{% macro box(a) %}<{{ a }}:{{ caller() }}>{% endmacro %}{% call box(1) %}in {{ n }}{% endcall %}{% for i in l %}{% call box(i) %}{{ i * 2 }}{% endcall %}{% endfor %}
{% macro row(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, k=0) row(l) %}[{{ x }}@{{ k }}]{% endcall %}{% macro opt() %}{{ caller() if caller else 'none' }}{% endmacro %}{{ opt() }}{% call opt() %}some{% endcall %}
{% macro o(a) %}({{ caller() }}){% endmacro %}{% macro i() %}[{{ caller() }}]{% endmacro %}{% call o(1) %}{% call i() %}x{% endcall %}{% endcall %}
{% call range(3) %}a{% endcall %}
{% call n %}a{% endcall %}
{% macro q(a) %}{{ varargs }}{{ kwargs }}{{ caller is defined }}{% endmacro %}{{ q(1) }}
{% with a = 1, b = n + 1 %}{{ a }}{{ b }}{% set c = 9 %}{% endwith %}{{ a is defined }}{{ c is defined }}{% with %}x{% endwith %}{% set a = 5 %}{% with a = a + 1 %}{{ a }}{% endwith %}{{ a }}{% for x in l %}{% with y = x %}{% if y == 1 %}{% continue %}{% endif %}{{ y }}{% endwith %}{% endfor %}
{{ (0 / -4)|abs }}{{ (-2.5)|abs }}
{{ '0x1f'|int(0, 16) }} {{ '-0X1F'|int(0, 16) }} {{ '0b11'|int(7, 2) }} {{ '0o17'|int(0, 8) }} {{ '0x'|int(5, 16) }} {{ '0x1f'|int(9) }} {{ '1_000'|int }} {{ '1__0'|int(9) }} {{ '_1'|int(9) }} {{ '1_'|int(9) }} {{ '+-3'|int(9) }} {{ ' +3 '|int }} {{ '1_0.5_0'|float }} {{ 'f_f'|int(0, 16) }} {{ '-x1'|int(5, 16) }}
{{ (1, 2) in d }}{{ none in d }}{{ t|abs }}{{ (n == 3)|abs }}{{ u|title }} {{ 'ΟΔΟΣ ΟΔΟΣ-ΣΑΣ'|title }}{{ 'aB cD(eF'|title }}
"""


def snippets():
    """Those above: one line each, and some blocks of several lines by hand."""
    lines = [line.replace("\\\\", "\\") for line in SNIPPETS.strip("\n").split("\n")]
    blocks = ["a\n  {%- if t %}\n    b\n  {%- endif %}\nc\n", "a\n  {% if t %}\n    b\n  {% endif %}\nc\n\n", "  {%+ if t %}x{% endif +%}\ny\n  {{- s -}}\n  z",
              "a\n  {# alone #}\nb {# x #}\n\tc{#- y -#}   d", "{% if t %}\r\nx\r\n{% endif %}\r\ny\r", "\n\n{% set x = 1 %}\n\n{{ x }}\n\n", " {{ 1 }} \n {{ 2 }}\n",
              "{% for i in [1, 2] %}\n  {{ i }}\n{% endfor %}\nend", "{% for i in [1, 2] -%}\n  {{ i }}\n{%- endfor %}\nend", "x\n\t {% raw %}\n {{ a }} \n {% endraw %}\ny",
              "\u3000{%- if t %}a{% endif %}", "x \u00a0{%- if t %}a{% endif -%}\u2003 y", "{{ 'a\nb' }}", "{% set x = [\n  1,\n  2,\n] %}{{ x }}", "{{ {'a': 1,} }}{{ [1,] }}{{ d.get('b',) }}"]
    return [line for line in lines if line] + blocks


def write():
    cases = []
    for path in sorted(glob.glob(os.path.join(HERE, "*.jinja"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for chat in range(len(CHATS)):
            for more in range(len(MORE)):
                variables = {"messages": CHATS[chat], "bos_token": "<s>", "eos_token": "</s>", **MORE[more]}
                cases.append({"template": os.path.basename(path), "chat": chat, "more": more, "text": render(text, variables)})
    dump("models.json", {"chats": CHATS, "more": MORE, "cases": cases})
    dump("language.json", {"variables": DATA, "cases": [{"template": s, "text": render(s, DATA)} for s in snippets()]})


def dump(name, value):
    lists = {key: item for key, item in value.items() if key != "cases"}
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        file.write(json.dumps(lists, ensure_ascii=False)[:-1] + ', "cases": [\n')
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in value["cases"]))
        file.write("\n]}\n")


def expression(rng, depth):
    atoms = ["s", "n", "f", "l", "d", "z", "e", "u", "m", "t", "w", "missing", "1", "0", "-2", "2.5", "'a'", "' x y '", "'<{}&'", "''", "[]", "[1, 'b']", "{'k': 2}", "true", "none"]
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(atoms)
    a, b = expression(rng, depth - 1), expression(rng, depth - 1)
    kind = rng.randrange(9)
    if kind == 0:
        return f"({a} {rng.choice(['+', '-', '*', '//', '%', '~', '/'])} {b})"
    if kind == 1:
        return f"({a} {rng.choice(['==', '!=', '<', '>', '<=', '>=', 'in', 'not in', 'and', 'or'])} {b})"
    if kind == 2:
        return f"({a})|{rng.choice(['length', 'upper', 'lower', 'trim', 'list', 'first', 'last', 'string', 'int', 'float', 'tojson', 'join', 'sort', 'unique|list', 'reverse|list', 'default(1)', 'abs', 'title', 'capitalize', 'sum', 'max', 'min', 'items|list', 'dictsort', 'wordcount', 'indent', 'tojson(indent=1)', 'select|list', 'round', 'safe', 'safe', 'safe|upper', 'nosuch'])}"
    if kind == 3:
        return f"({a} is {rng.choice(['', 'not '])}{rng.choice(['defined', 'string', 'number', 'mapping', 'iterable', 'none', 'odd', 'boolean', 'sequence', 'true', 'lower', 'undefined', 'integer'])})"
    if kind == 4:
        return f"({a})[{rng.choice(['0', '-1', '1:', ':-1', '::-1', '::2', '5', chr(39) + 'a' + chr(39), '-3:2', '1:9:3'])}]"
    if kind == 5:
        return f"({a}).{rng.choice(['upper()', 'strip()', 'split()', 'items()|list', 'keys()|list', 'get(1)', 'a', 'x', 'lower()', 'title()', 'splitlines()', 'startswith(' + chr(39) + 'a' + chr(39) + ')', 'replace(' + chr(39) + 'l' + chr(39) + ', ' + chr(39) + chr(39) + ')', 'rstrip()', 'count(1)', 'format(1, 2)', 'join([' + chr(39) + '<' + chr(39) + '])', 'split(' + chr(39) + 'l' + chr(39) + ')', 'find(' + chr(39) + 'o' + chr(39) + ')'])}"
    if kind == 6:
        return f"({a} if {b} else {expression(rng, depth - 1)})"
    return f"{rng.choice(['not ', '-'])}({a})" if kind == 7 else f"[{a}, {b}]"


def statement(rng, depth):
    sign = lambda: rng.choice(["", "", "-", "+"])
    space = lambda: rng.choice(["", " ", "\n", "\n  ", "  \n", "x", "\t"])
    block = lambda text: "{%" + sign() + " " + text + " " + sign() + "%}"
    if depth == 0:
        return rng.choice([space() + "{{" + rng.choice(["", "-"]) + " " + expression(rng, 2) + " " + rng.choice(["", "-"]) + "}}" + space(), space() + "{#" + sign() + " c " + sign() + "#}" + space(), "text" + space()])
    inner = lambda: space() + statement(rng, depth - 1) + space()
    return rng.choice([
        lambda: block(f"if {expression(rng, 2)}") + inner() + block("else") + inner() + block("endif"),
        lambda: block(f"for i in {expression(rng, 1)}") + inner() + "{{ i }}{{ loop.index }}" + block("endfor"),
        lambda: block(f"set n = {expression(rng, 2)}") + inner(),
        lambda: inner() + inner(),
    ])()


def compare(program):
    rng = random.Random(12)
    cases = ["{{ " + expression(rng, 3) + " }}" for _ in range(20000)] + [statement(rng, 3) for _ in range(20000)]
    lines = "\n".join(json.dumps({"template": text, "variables": DATA}) for text in cases)
    answers = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = refused = 0
    for text, line in zip(cases, answers, strict=True):
        want, got = render(text, DATA), json.loads(line)
        if want is not None and "text" not in got:
            refused += 1
            print(f"refused: {text!r}: {got['error']}", file=sys.stderr)
        elif want is None and "text" in got:
            print(f"taken: {text!r}: {got['text']!r}", file=sys.stderr)
            wrong += 1
        elif want is not None and want != got["text"]:
            wrong += 1
            print(f"differs: {text!r}: {got['text']!r}, Jinja {want!r}", file=sys.stderr)
    print(f"{len(cases)} templates: {wrong} differ, {refused} refused that Jinja renders")
    return wrong > 0


WORDS = ["Hi", "", " ", "\n", "why?", "Zürich", "日本語", "👩‍👧", "a\u0301", "<think>\nHm.\n</think>\n\nYes", "</think>", "<|im_end|>", "{{ x }}", "{% if %}", "'\"\\",
         "<tool_response>", "</tool_response>", "/think", "/no_think", "/system_override", "[INST]", "\t- x\n  - y", "1 < 2 & 3", "\u00a0", "\x7f", "0", "None", "<s>"]


def generated_text(rng):
    return "".join(rng.choice(WORDS) + rng.choice(["", " ", "\n"]) for _ in range(rng.randint(0, 4)))


def generated_call(rng):
    arguments = rng.choice([{"place": generated_text(rng), "days": rng.randint(-2, 9)}, {}, "{\"a\": 1}", {"a": [1, 2.5, None, True, {"b": "ü"}]}])
    call = {"type": "function", "function": {"name": rng.choice(["weather", "f", "g_1"]), "arguments": arguments}}
    if rng.random() < 0.7:
        call["id"] = rng.choice(["abcdefghi", "123456789", "x"])
    return call


def generated_chat(rng):
    chat = [{"role": "system", "content": generated_text(rng)}] if rng.random() < 0.4 else []
    for _ in range(rng.randint(1, 4)):
        chat.append({"role": "user", "content": generated_text(rng)})
        if rng.random() < 0.15: # out of turn
            chat.append({"role": rng.choice(["user", "assistant", "system", "tool"]), "content": generated_text(rng)})
        if rng.random() < 0.3:
            calls = [generated_call(rng) for _ in range(rng.randint(1, 2))]
            chat.append({"role": "assistant", "content": rng.choice([None, "", generated_text(rng)]), "tool_calls": calls})
            chat += [{"role": "tool", "content": generated_text(rng), "name": c["function"]["name"], "tool_call_id": c.get("id")} for c in calls]
        answer = {"role": "assistant", "content": generated_text(rng)}
        if rng.random() < 0.25:
            answer[rng.choice(["reasoning_content", "thinking", "reasoning"])] = rng.choice([None, generated_text(rng)])
        chat.append(answer)
    if rng.random() < 0.1:
        chat[-1]["content"] = [{"type": "text", "text": generated_text(rng)}]
    return chat[:rng.randint(1, len(chat))] if rng.random() < 0.3 else chat


def compare_chats(program, count, folder=HERE):
    """Against what apply_chat_template does behind its options; transformers' clock is put to the goldens' day."""
    from transformers.utils import chat_template_utils as theirs
    from transformers.tokenization_utils_base import _normalize_chat_messages
    theirs.datetime = type("Clock", (), {"now": staticmethod(lambda: datetime.datetime(2025, 1, 31))})
    wrong = texts = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        rng = random.Random(os.path.basename(path))
        requests = []
        for _ in range(count):
            variables = {"bos_token": "<s>", "eos_token": "</s>"}
            if rng.random() < 0.3:
                variables["enable_thinking"] = rng.choice([True, False])
            if rng.random() < 0.1:
                variables["date_string"] = "1 May 2025"
            requests.append({"template": text, "messages": generated_chat(rng), "tools": TOOLS if rng.random() < 0.3 else None,
                             "variables": variables, "generates": rng.random() < 0.5})
        lines = "\n".join(json.dumps(request) for request in requests)
        answers = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
        differ = 0
        for request, line in zip(requests, answers, strict=True):
            try:
                chats = [_normalize_chat_messages(copy.deepcopy(request["messages"]))]
                want = theirs.render_jinja_template(chats, tools=request["tools"], chat_template=text, add_generation_prompt=request["generates"],
                                                    **request["variables"])[0][0]
            except Exception:
                want = None
            got = json.loads(line).get("text")
            texts += want is not None
            if want != got:
                differ += 1
                if differ <= 3:
                    print(f"{os.path.basename(path)} differs: {json.dumps(request['messages'])}\n  ours   {line}\n  theirs {want!r}", file=sys.stderr)
        wrong += differ
        print(f"{os.path.basename(path)}: {count - differ} of {count} chats equal", flush=True)
    print(f"{texts} texts, the others fail in both; {wrong} differ")
    return wrong > 0


if len(sys.argv) > 2:
    sys.exit(compare_chats(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
if len(sys.argv) > 1:
    sys.exit(compare(sys.argv[1]))
write()
