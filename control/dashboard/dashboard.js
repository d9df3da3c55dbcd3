// SPDX-License-Identifier: BSD-3-Clause
"use strict";

const $ = (id) => document.getElementById(id);
const CHARTS = [
  { name: "Messages a second", one: ["sends", "sent"], two: ["deliveries", "delivered to clients"] },
  { name: "Latency", one: ["p50_us", "half within"], two: ["p99_us", "99 % within"], unit: "us" },
  { name: "Answers a second", one: ["delivered", "✓✓ delivered"], two: ["accepted", "✓ accepted"] },
  { name: "Sessions", one: ["sessions", "open"], two: ["connections", "connections"] },
  { name: "Workers busy", one: ["busy", "share of time"], unit: "share" },
  { name: "Store", one: ["stored", "stored a second"], two: ["items", "waiting"], apart: true },
  { name: "Opened a second", one: ["opened", "connections"], two: ["handshakes", "TLS handshakes"] },
  { name: "Packets dropped a second", one: ["dropped", "by ports and workers"] },
];
let before = null;

function number(value) {
  if (value >= 1e9) return (value / 1e9).toPrecision(3) + " G";
  if (value >= 1e6) return (value / 1e6).toPrecision(3) + " M";
  if (value >= 1e4) return (value / 1e3).toPrecision(3) + " k";
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toPrecision(2);
}

function show(value, unit) {
  if (unit === "share") return (100 * value).toFixed(value < 0.1 ? 1 : 0) + " %";
  if (unit === "us") return value >= 1000 ? (value / 1000).toPrecision(3) + " ms" : value.toPrecision(3).replace(/\.?0+$/, "") + " µs";
  if (unit === "bytes") return value >= 2 ** 30 ? (value / 2 ** 30).toFixed(1) + " GiB" : (value / 2 ** 20).toFixed(0) + " MiB";
  return number(value);
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
}

function make(tag, attributes, ...children) {
  const svg = ["svg", "path", "line", "text"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A round number at or above a value.
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999);
}

function path(times, values, top, now, area) {
  let text = "", last = null;
  values.forEach((value, i) => {
    const x = 600 - ((now - times[i]) / 3600000) * 600, y = 100 - (value / top) * 100;
    const gap = last === null || times[i] - last > 30000;
    text += `${gap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = times[i];
  });
  if (area && text && (text.match(/M/g) || []).length === 1) {
    const x0 = 600 - ((now - times[0]) / 3600000) * 600, x1 = 600 - ((now - last) / 3600000) * 600;
    text += `L${x1.toFixed(1)} 100L${x0.toFixed(1)} 100Z`;
  }
  return text;
}

function chart(spec, history) {
  const times = history.at_ms, now = times.length ? times[times.length - 1] : Date.now();
  const series = ["one", "two"].filter((which) => spec[which]);
  const most = (which) => Math.max(0, ...history[spec[which][0]]);
  const all = ceiling(Math.max(...series.map(most)));
  const top = (which) => spec.unit === "share" ? 1 : spec.apart ? ceiling(most(which)) : all;
  const head = make("h2", {}, spec.name);
  const keys = make("span", {});
  for (const which of series) {
    const values = history[spec[which][0]];
    const last = values.length ? show(values[values.length - 1], spec.unit) : "–";
    keys.append(make("span", {}, make("i", { class: `key ${which}` }), `${spec[which][1]} ${last}`));
  }
  head.append(keys);
  const svg = make("svg", { viewBox: "0 0 600 118", preserveAspectRatio: "none", role: "img", "aria-label": spec.name });
  for (const y of [0, 50, 100]) svg.append(make("line", { class: "grid", x1: 0, x2: 600, y1: y, y2: y }));
  for (const which of series) {
    const values = history[spec[which][0]];
    if (which === "one") svg.append(make("path", { class: "area", d: path(times, values, top(which), now, true) }));
    svg.append(make("path", { class: which, d: path(times, values, top(which), now, false) }));
  }
  const scale = make("div", { class: "scale" }, `${series.map((which) => show(top(which), spec.unit)).filter((v, i, a) => a.indexOf(v) === i).join(" · ")} at the top, the last hour`);
  return make("div", { class: "card chart" }, head, svg, scale);
}

function figure(name, value, bad) {
  return make("div", { class: `card figure${bad ? " bad" : ""}` }, make("b", {}, value), make("span", {}, name));
}

function rates(now) {
  const seconds = before && now.now_ms > before.now_ms ? (now.now_ms - before.now_ms) / 1000 : 0;
  const rate = (a, b) => seconds && b >= a ? (b - a) / seconds : 0;
  return { seconds, rate };
}

function drawWorkers(now) {
  const { rate } = rates(now), body = $("workers").tBodies[0];
  body.replaceChildren(...now.workers.map((w, i) => {
    const old = (before && before.workers[i]) || w;
    const busy = w.busy_cycles - old.busy_cycles, idle = w.idle_cycles - old.idle_cycles;
    const share = busy + idle > 0 ? busy / (busy + idle) : 0;
    const cell = (text, kind = "") => make("td", kind ? { class: kind } : {}, text);
    const bar = make("td", { class: "bar" }, make("meter", { min: 0, max: 1, high: 0.9, value: share }), show(share, "share"));
    return make("tr", {}, cell(String(i)), bar, ...["rx_packets", "tx_packets"].map((k) => cell(number(rate(old[k], w[k])))),
      cell(number(w.connections_now)), cell(number(w.sessions_now)), ...["sends", "deliveries"].map((k) => cell(number(rate(old[k], w[k])))));
  }));
  if (!now.workers.length) body.append(make("tr", {}, make("td", { colspan: 8, class: "nothing" }, "no data plane is attached")));
}

function drawReasons(now) {
  const { rate } = rates(now), body = $("reasons").tBodies[0];
  const old = new Map(((before && before.reasons) || []).map((r) => [r.name, r.count]));
  const rows = now.reasons.map((r) => ({ ...r, rate: before ? rate(old.get(r.name) || 0, r.count) : 0 }))
    .sort((a, b) => b.rate - a.rate || b.count - a.count).slice(0, 30);
  body.replaceChildren(...rows.map((r) => make("tr", {}, make("td", {}, number(r.rate)), make("td", {}, number(r.count)),
    make("td", { class: "text" }, r.text, make("small", {}, r.name)))));
  if (!rows.length) body.append(make("tr", {}, make("td", { colspan: 3, class: "nothing" }, "nothing")));
}

function draw(now, history) {
  const { rate } = rates(now), sum = (look, key) => look.workers.reduce((total, w) => total + w[key], 0);
  const state = $("state");
  state.className = now.attached ? "" : "bad";
  state.textContent = now.attached ? `${now.version}, up ${duration(now.uptime_ms)}, ${now.workers.length} workers`
    : `${now.version}, up ${duration(now.uptime_ms)}: NO DATA PLANE IS ATTACHED`;
  const last = (key) => history[key].length ? history[key][history[key].length - 1] : 0;
  const free = now.disk_size_bytes ? now.disk_free_bytes / now.disk_size_bytes : 1;
  $("figures").replaceChildren(
    figure("messages a second", number(before ? rate(sum(before, "sends"), sum(now, "sends")) : last("sends"))),
    figure("99 % delivered within", last("p99_us") ? show(last("p99_us"), "us") : "–"),
    figure("sessions", number(now.sessions)),
    figure(`waiting in ${number(now.mailboxes)} mailboxes`, number(now.items)),
    figure("free on the store's disk", now.disk_size_bytes ? show(now.disk_free_bytes, "bytes") : "–", free < 0.1),
    figure("refused: disk full · damage", `${number(now.refused)} · ${number(now.damaged)}`, now.refused + now.damaged > 0));
  $("charts").replaceChildren(...CHARTS.map((spec) => chart(spec, history)));
  drawWorkers(now);
  drawReasons(now);
  before = now;
}

async function look() {
  try {
    const [now, history] = await Promise.all(["api/now", "api/history"].map(async (path) => {
      const answer = await fetch(path);
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }));
    draw(now, history);
  } catch {
    $("state").className = "bad";
    $("state").textContent = "the control plane does not answer; asking again";
  }
}

look();
setInterval(() => document.hidden || look(), 2000);
