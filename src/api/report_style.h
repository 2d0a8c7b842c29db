/*
 * api/report_style.h
 *		The style sheet of the page that noetl.report() makes.
 */
#ifndef NOETL_API_REPORT_STYLE_H
#define NOETL_API_REPORT_STYLE_H

static const char report_style[] =
	":root{color-scheme:light dark;--bg:#fff;--fg:#1c1e21;--dim:#5c6370;--line:#d5d9df;--panel:#f6f7f9;"
	"--ok:#1f7a3d;--ok-bg:#d9f2e1;--bad:#b3261e;--bad-bg:#fbe0dd;--run:#1a5fb4;--run-bg:#d8e7fb;"
	"--wait:#7a5a00;--wait-bg:#fbefc9;--off:#6b7280;--off-bg:#ececef}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#16181c;--fg:#e4e6ea;--dim:#9aa2ae;--line:#363b43;"
	"--panel:#1f2227;--ok:#6fd18f;--ok-bg:#173a24;--bad:#ff8a80;--bad-bg:#4a1d1a;--run:#82b7ff;"
	"--run-bg:#17335a;--wait:#e6c25c;--wait-bg:#40350f;--off:#9aa2ae;--off-bg:#2b2f36}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;padding:16px;max-width:1280px;background:var(--bg);color:var(--fg);"
	"font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;overflow-wrap:anywhere}\n"
	"h1{font-size:1.4rem;margin:0 0 8px}h2{font-size:1.1rem;margin:28px 0 8px}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:0}\n"
	"dt{color:var(--dim)}dd{margin:0;min-width:0}\n"
	"pre{margin:6px 0;padding:8px;background:var(--panel);border:1px solid var(--line);border-radius:6px;"
	"white-space:pre-wrap;font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;max-height:30em;overflow:auto}\n"
	".note{color:var(--dim);font-size:.9em}\n"
	".tag{display:inline-block;padding:0 8px;border-radius:10px;font-size:.85em;background:var(--off-bg);color:var(--off)}\n"
	".t-completed,.t-started{background:var(--ok-bg);color:var(--ok)}.t-failed,.t-held,.t-paused{background:var(--bad-bg);color:var(--bad)}\n"
	".t-running,.t-leased,.t-open{background:var(--run-bg);color:var(--run)}\n"
	".t-retry,.t-pending,.t-waiting,.t-awaiting,.t-queued,.t-blocked,.t-scheduled{background:var(--wait-bg);color:var(--wait)}\n"
	".error{border-left:4px solid var(--bad);padding:4px 0 4px 12px;margin:8px 0}\n"
	".why{border-left:4px solid var(--wait);padding:4px 0 4px 12px;margin:8px 0}\n"
	".graph{overflow:auto;max-height:80vh;border:1px solid var(--line);border-radius:6px;background:var(--panel)}\n"
	"svg{display:block;margin:0 auto;font:13px system-ui,sans-serif}\n"
	".node rect{fill:var(--bg);stroke:var(--off);stroke-width:1.3}.node text{text-anchor:middle;fill:var(--fg)}\n"
	".node .name{font-weight:600}.node .kind{font-size:11.5px;fill:var(--dim)}\n"
	".s-completed rect{fill:var(--ok-bg);stroke:var(--ok)}.s-failed rect,.s-held rect{fill:var(--bad-bg);stroke:var(--bad)}\n"
	".s-leased rect,.s-open rect{fill:var(--run-bg);stroke:var(--run)}\n"
	".s-queued rect,.s-retry rect,.s-paused rect,.s-blocked rect,.s-waiting rect,.s-awaiting rect{fill:var(--wait-bg);stroke:var(--wait)}\n"
	".s-skipped rect,.s-abandoned rect,.s-cancelled rect{fill:var(--off-bg)}\n"
	".s-none rect{stroke-dasharray:4 3}\n"
	".edge{fill:none;stroke:var(--off);stroke-width:1.2;opacity:.8}.long{opacity:.35}.on-error{stroke:var(--bad);stroke-dasharray:5 3}\n"
	".back{stroke-dasharray:2 3}.tip{fill:var(--off)}\n"
	".label{text-anchor:middle;font-size:11px;fill:var(--dim);paint-order:stroke;stroke:var(--panel);stroke-width:4px}\n"
	".row{display:grid;grid-template-columns:minmax(8em,18%) 1fr minmax(10em,20%);gap:10px;align-items:center;"
	"padding:3px 0;border-bottom:1px solid var(--line)}\n"
	".bar{position:relative;height:14px;background:var(--panel);border-radius:3px;overflow:hidden}\n"
	".bar i{position:absolute;top:0;bottom:0;min-width:3px;border-radius:3px;background:var(--off)}\n"
	".bar .b-wait{opacity:.35}.bar .b-completed{background:var(--ok)}.bar .b-failed{background:var(--bad)}"
	".bar .b-leased,.bar .b-running,.bar .b-open{background:var(--run)}\n"
	"details{border-bottom:1px solid var(--line)}summary{cursor:pointer;padding:4px 0}\n"
	"summary .at{color:var(--dim);font-variant-numeric:tabular-nums}\n"
	"@media(max-width:640px){body{padding:10px}.row{grid-template-columns:1fr;gap:2px}"
	"}\n"
	"@media print{.graph,pre{max-height:none}}\n";

#endif							/* NOETL_API_REPORT_STYLE_H */
