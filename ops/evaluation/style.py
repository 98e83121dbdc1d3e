# ruff: noqa: E501 - one rule a line
"""Colours and typography of the report: one palette for light and dark, for the page and for charts on their own."""

from __future__ import annotations

LIGHT = {
    "paper": "#fbfaf7",
    "card": "#ffffff",
    "ink": "#1d2321",
    "soft": "#58625e",
    "rule": "#dfe2dc",
    "grid": "#e9ebe6",
    "model": "#0b6e5f",
    "baseline": "#a0560d",
    "majority": "#6b7280",
    "loss": "#b23a35",
    "tint": "#e3f1ee",
    "warm": "#fbeedd",
    "alarm": "#fbe7e5",
    "second": "#58a99a",
    "third": "#a9cfc6",
    "inside": "#ffffff",
    "mid": "#1d2321",
}
DARK = {
    "paper": "#121614",
    "card": "#1a201d",
    "ink": "#e9edea",
    "soft": "#a3aea9",
    "rule": "#323a36",
    "grid": "#29302d",
    "model": "#4fc3ad",
    "baseline": "#e6a04e",
    "majority": "#9aa3af",
    "loss": "#f0817a",
    "tint": "#17332d",
    "warm": "#37290f",
    "alarm": "#3b1f1d",
    "second": "#2f8676",
    "third": "#22564c",
    "inside": "#0d1110",
    "mid": "#0d1110",
}


def _variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in palette.items())


PALETTE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    f"@media print{{:root{{color-scheme:light;{_variables(LIGHT)}}}}}"
)

_CHART = """
.chart text{fill:var(--ink);font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
font-size:12px;unicode-bidi:isolate}
.chart .soft{fill:var(--soft)} .chart .strong{font-weight:600} .chart .small{font-size:10.5px}
.chart .figure{font-variant-numeric:tabular-nums}
.chart .grid{stroke:var(--grid);stroke-width:1} .chart .axis{stroke:var(--soft);stroke-width:1}
.chart .zero{stroke:var(--ink);stroke-width:1.5}
.chart .model{fill:var(--model)} .chart .baseline{fill:var(--baseline)} .chart .majority{fill:var(--majority)}
.chart .loss{fill:var(--loss)} .chart .second{fill:var(--second)} .chart .third{fill:var(--third)}
.chart .band{fill-opacity:.22} .chart .ground{fill:var(--card)} .chart .inside{fill:var(--inside)} .chart .mid{fill:var(--mid)} .chart .cell{fill:var(--grid)}
.chart .whisker-model{stroke:var(--model);stroke-width:2.5} .chart .whisker-baseline{stroke:var(--baseline);stroke-width:2.5}
.chart .whisker-majority{stroke:var(--majority);stroke-width:2.5}
.chart .line-model,.chart .line-baseline,.chart .line-soft,.chart .line-loss,.chart .line-thin,.chart .line-chosen{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .line-model{stroke:var(--model)} .chart .line-soft{stroke:var(--majority);stroke-width:1.5}
.chart .line-loss{stroke:var(--loss)} .chart .line-baseline{stroke:var(--baseline)}
.chart .line-thin{stroke:var(--majority);stroke-width:1} .chart .line-chosen{stroke:var(--baseline);stroke-width:2.5}
"""

CHART_STYLE = (PALETTE + _CHART).replace("\n", "")

PAGE_STYLE = (
    PALETTE
    + _CHART
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;font-size:16px;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
main,.top,footer{max-width:1080px;margin:0 auto;padding:0 28px}
.top{padding-top:36px}
.brand{display:flex;align-items:center;gap:10px;color:var(--soft);font-size:14px;margin:0 0 26px}
.brand svg{width:22px;height:22px} .brand b{color:var(--ink);letter-spacing:.01em}
.brand span+span::before{content:"/";margin-right:10px;color:var(--rule)}
h1{font-size:38px;line-height:1.15;letter-spacing:-.02em;margin:0 0 10px;overflow-wrap:anywhere}
.purpose{font-size:18px;color:var(--soft);max-width:46em;margin:0 0 4px;white-space:pre-line;overflow-wrap:anywhere}
.kind{color:var(--soft);font-size:14px;margin:0 0 26px}
.verdict{border-radius:14px;padding:24px 28px 22px;background:var(--tint);border-left:6px solid var(--model);margin:22px 0 18px}
.verdict.worse,.verdict.even{background:var(--warm);border-color:var(--baseline)}
.verdict.useless{background:var(--alarm);border-color:var(--loss)}
.verdict h2{font-size:15px;margin:0 0 8px;padding:0;border:0;color:var(--model);letter-spacing:0}
.verdict.worse h2,.verdict.even h2{color:var(--baseline)} .verdict.useless h2{color:var(--loss)}
.verdict .headline{font-size:21px;line-height:1.42;margin:0 0 8px;font-weight:600;letter-spacing:-.008em;text-wrap:pretty}
.nowrap{white-space:nowrap} .verdict .detail{margin:0;color:var(--soft);font-size:15px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 8px;padding:0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px 12px}
.tile dt{font-size:13px;color:var(--soft);margin:0} .tile dd{margin:0}
.tile .big{font-size:25px;font-weight:650;letter-spacing:-.015em;font-variant-numeric:tabular-nums;line-height:1.35}
.tile .sub{font-size:12.5px;color:var(--soft);font-variant-numeric:tabular-nums}
nav{margin:22px 0 0;border-block:1px solid var(--rule);padding:9px 0;font-size:14px}
nav ul{display:flex;flex-wrap:wrap;gap:4px 22px;list-style:none;margin:0;padding:0}
nav a{color:var(--soft);text-decoration:none} nav a:hover{color:var(--ink);text-decoration:underline}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--model);outline-offset:3px}
section{margin:46px 0 0}
h2{font-size:24px;letter-spacing:-.015em;margin:0 0 4px;line-height:1.25}
h3{font-size:15.5px;margin:0 0 10px;letter-spacing:-.003em} .next{margin-top:26px}
.lead{color:var(--soft);margin:0 0 18px;max-width:52em}
.card{background:var(--card);border:1px solid var(--rule);border-radius:14px;padding:20px 22px;margin:0 0 16px;min-width:0}
.pair{display:grid;align-items:start;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px} .pair .card{margin:0} .pair{margin-bottom:16px}
figure{margin:0} figcaption{color:var(--soft);font-size:13.5px;margin-top:8px}
.scroll{overflow-x:auto} .chart{display:block;max-width:100%;height:auto;margin:0 auto}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;color:var(--soft);margin:0 0 8px;padding:0;list-style:none}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.legend .model{background:var(--model)} .legend .baseline{background:var(--baseline)}
.legend .majority{background:var(--majority)} .legend .loss{background:var(--loss)}
.legend .second{background:var(--second)} .legend .third{background:var(--third)}
table{border-collapse:collapse;width:100%;font-size:14.5px}
caption{text-align:left;font-weight:600;font-size:15.5px;padding:0 0 8px}
th,td{padding:7px 14px 7px 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--rule)}
tr:last-child>*{border-bottom:0}
thead th{color:var(--soft);font-weight:500;font-size:13px;white-space:nowrap;vertical-align:bottom}
tbody th{font-weight:500;overflow-wrap:break-word}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap} th.n:last-child,td.n:last-child{padding-right:0}
.note{color:var(--soft);font-size:13px} td .note{display:block}
.bar{display:inline-block;width:74px;height:8px;border-radius:4px;background:var(--grid);margin-right:10px;vertical-align:1px}
.bar i{display:block;height:8px;border-radius:4px;background:var(--model)}
tr.model>*{font-weight:600} .chips{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:2px 12px}
.chips li{white-space:nowrap}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px;margin:0 0 22px;padding:0;list-style:none}
.samples.images{grid-template-columns:repeat(auto-fill,minmax(150px,1fr))}
.sample{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 16px;min-width:0;display:flex;flex-direction:column}
.sample p{margin:0 0 10px;font-size:14px;overflow-wrap:anywhere;white-space:pre-line;unicode-bidi:isolate;
display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:7;overflow:hidden}
.sample img{display:block;width:96px;height:96px;object-fit:contain;image-rendering:pixelated;margin:2px auto 12px;border-radius:6px;
background:var(--grid)}
.sheet{display:block;max-width:100%;height:auto;image-rendering:pixelated;margin:0 0 10px;border-radius:6px} .sheet-text{white-space:pre-line}
.texts{table-layout:fixed;min-width:640px} .texts th:first-child{width:22%} .texts td{overflow-wrap:anywhere}
.sheet-rows tbody tr:first-child>*{font-weight:600;border-top:1px solid var(--rule)} .sheet-rows tbody th{white-space:nowrap}
.sheet-rows tbody tr:not(:first-child) th{color:var(--soft);padding-left:14px} .sheet-rows tr:not(:last-child)>*{border-bottom:0;padding-bottom:2px} mark{background:var(--grid);color:inherit;border-radius:3px;padding:0 3px;margin:0 -3px}
.sample .labels{margin-top:auto;font-size:13px;display:flex;flex-wrap:wrap;gap:4px 12px} .sample .labels span{color:var(--soft)}
.sample b{color:var(--ink);font-weight:600} .sample b.right{color:var(--model)} .sample b.wrong{color:var(--loss)}
.sample .id{display:block;margin-top:6px;font-size:12px;color:var(--soft);overflow-wrap:anywhere}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:8px 22px;margin:0;font-size:14.5px}
.facts dt{color:var(--soft)} .facts dd{margin:0;overflow-wrap:anywhere}
details{margin:0 0 16px} details>summary{cursor:pointer;font-weight:600;font-size:15.5px;padding:4px 0}
details[open]>summary{margin-bottom:8px}
.notes{margin:0;padding-left:20px} .notes li{margin:0 0 8px;max-width:56em;overflow-wrap:anywhere}
footer{margin-top:50px;padding-top:18px;padding-bottom:44px;color:var(--soft);font-size:13.5px}
footer p{max-width:62em;margin:0 0 8px}
@media (max-width:760px){
main,.top,footer{padding-left:16px;padding-right:16px} .top{padding-top:20px} h1{font-size:29px}
.pair{grid-template-columns:minmax(0,1fr)} .verdict{padding:18px 18px 16px} .verdict .headline{font-size:18.5px}
.card{padding:16px 14px} .scroll .chart{max-width:max(100%,700px)}
.scroll{background:linear-gradient(90deg,var(--card) 50%,transparent) 0 0/28px 100% no-repeat local,linear-gradient(270deg,var(--card) 50%,transparent) 100% 0/28px 100% no-repeat local,linear-gradient(90deg,var(--rule),transparent) 0 0/14px 100% no-repeat,linear-gradient(270deg,var(--rule),transparent) 100% 0/14px 100% no-repeat}
.card.scroll{background-color:var(--card)} th,td{padding-right:10px} table{font-size:13.5px} .tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile .big{font-size:21px} .facts{grid-template-columns:minmax(0,1fr);gap:0} .facts dd{margin-bottom:10px} .bar{display:none}
section{margin-top:36px}}
@media print{body{font-size:11pt;background:#fff} nav{display:none} main,.top,footer{max-width:none;padding:0}
.card,.tile,.sample,.verdict,figure,tr{break-inside:avoid} h2,h3,caption{break-after:avoid}
.verdict,.legend i,.bar,.bar i{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.scroll{overflow:visible} section{margin-top:26px}}
"""
).replace("\n", "")
