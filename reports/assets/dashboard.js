"use strict";
// The views of the dashboard from the data at the page's end (dashboard_data.c writes it). Names in it are strangers':
// they become text nodes and attribute values only.
(function () {
  var source = document.getElementById("data"), view = document.getElementById("view");
  if (!source || !view) return;
  var data = JSON.parse(source.textContent), tools = document.getElementById("tools"), DAY = 86400000, PAGE = 40;
  function sums(list) { var at = 0; return list.map(function (step) { return at += step; }); }
  data.nights = sums(data.nights);
  var dates = new Map();
  function date(night) {
    if (!dates.has(night)) {
      var d = new Date(night * DAY);
      dates.set(night, isNaN(d) ? "-" : d.toISOString().slice(0, 10));
    }
    return dates.get(night);
  }

  // --- elements ---
  function add(parent, tag, attributes, text) {
    var e = document.createElement(tag);
    for (var name in attributes) e.setAttribute(name, attributes[name]);
    if (text !== undefined) e.textContent = text;
    if (parent) parent.appendChild(e);
    return e;
  }
  function draw(parent, tag, attributes, text) {
    var e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (var name in attributes) e.setAttribute(name, attributes[name]);
    if (text !== undefined) e.textContent = text;
    if (parent) parent.appendChild(e);
    return e;
  }
  function markClass(change) { return "mark s-" + data.states[change.state] + (change.worse ? " worse" : " better"); }
  function markRef(change) { return "#mark-" + (change.state === 0 && !change.worse ? "up" : data.states[change.state]); }
  function mark(parent, change) {
    var s = draw(parent, "svg", { "class": markClass(change), "aria-hidden": "true" });
    draw(s, "use", { href: markRef(change) });
  }
  function markAt(svg, change, x, y, size) {
    draw(svg, "use", { href: markRef(change), "class": markClass(change), x: x - size / 2, y: y - size / 2, width: size, height: size });
  }

  // --- figures ---
  function figure(v) {
    if (v === null || !isFinite(v)) return "-";
    var a = Math.abs(v);
    if (a !== 0 && (a < 1e-4 || a >= 1e12)) return v.toExponential(4);
    return v.toFixed(a === 0 ? 0 : Math.max(0, 4 - Math.floor(Math.log10(a))));   // five digits
  }
  function share(v, digits) { return v === null || !isFinite(v) ? "-" : (100 * v).toFixed(digits === undefined ? 1 : digits) + " %"; }
  function effect(v) { return v === null ? "-" : (v > 0 ? "+" : "") + share(v); }
  function side(line, v) { return !v || !line.better ? "" : v * line.better < 0 ? "worse" : "better"; }
  function probability(p) { return p === null ? "-" : p < 0.001 ? "< 0.001" : p.toFixed(3); }

  // --- lines ---
  var lines = data.lines.map(function (a, i) {
    var line = {
      key: a[0], series: a[1], model: data.models[a[2]], format: data.formats[a[3]], framework: data.frameworks[a[4]],
      workload: data.workloads[a[5]], device: data.devices[a[6]], metric: data.metrics[a[7]], unit: data.units[a[7]][0],
      better: data.units[a[7]][1], n: a[8], exponent: a[9], packed: a[10], envs: a[11], outliers: a[12], artifacts: a[13],
      noise: a[15], late: a[16], worst: a[17], failed: a[19], place: i
    };
    line.changes = a[14].map(function (c) {
      return { index: c[0], state: c[1], worse: c[2] === 1, open: c[3] === 1, before: c[4], after: c[5], effect: c[6], p: c[7],
               id: c[8], by: c[9], note: c[10], link: c[11] };
    });
    line.release = { outcome: a[18][0], before: a[18][1], after: a[18][2], effect: a[18][3], p: a[18][4], nBefore: a[18][5],
                     nAfter: a[18][6], nChanges: a[18][7] };
    if (line.unit === "B") {
      line.unit = "MiB";
      line.factor = 1 / 1048576;
      line.changes.concat(line.release).forEach(function (c) {
        if (c.before !== null) c.before *= line.factor;
        if (c.after !== null) c.after *= line.factor;
      });
    }
    line.name = [line.model, line.format].filter(Boolean).join(" ") || line.metric;
    line.of = [line.framework && "on " + line.framework, line.workload, line.metric + (line.unit && line.unit !== "1" ? ", " + line.unit : ""),
               data.devices.length > 1 && line.device].filter(Boolean).join(" \u00b7 ");
    line.text = [line.name, line.framework, line.workload, line.metric, line.device].join(" ").toLowerCase();
    line.shown = line.worst >= 0 ? line.changes[line.worst] : line.changes[line.changes.length - 1];
    return line;
  });
  function unpack(line) {
    if (line.value) return line;
    var text = atob(line.packed), at = 0, n = line.n, i, before = 0;
    function next() {
      var v = 0, scale = 1, byte;
      do { byte = text.charCodeAt(at++); v += (byte & 127) * scale; scale *= 128; } while (byte > 127);
      return v;
    }
    function signed(v) { return v % 2 ? -(v + 1) / 2 : v / 2; }
    function runs() {
      var out = new Int32Array(n), v = 0;
      for (var k = 0; k < n;) {
        var step = signed(next());
        for (var count = next(); count > 0; count--) out[k++] = v += step;
      }
      return out;
    }
    var scale = Math.pow(10, Math.abs(line.exponent));
    function real(v) { return (line.exponent < 0 ? v / scale : v * scale) * (line.factor || 1); }
    line.night = runs();
    line.build = runs();
    line.samples = runs();
    line.value = new Float64Array(n);
    line.lo = new Float64Array(n).fill(NaN);
    line.hi = new Float64Array(n).fill(NaN);
    var whole = new Float64Array(n);
    for (i = 0; i < n; i++) line.value[i] = real(whole[i] = before += signed(next()));
    for (i = 0; i < n; i++) {
      var below = next();
      if (!below) continue;
      line.lo[i] = real(whole[i] - signed(below - 1));
      line.hi[i] = real(whole[i] + signed(next()));
    }
    line.at = new Float64Array(n);   // several runs of a night stand beside each other
    for (i = 0; i < n;) {
      var end = i;
      while (end < n && line.night[end] === line.night[i]) end++;
      for (var k = i; k < end; k++) line.at[k] = line.night[k] + 0.9 * (k - i) / Math.max(1, end - i - 1);
      i = end;
    }
    line.env = new Int32Array(n);
    for (i = 0; i < line.envs.length; i += 2) line.env.fill(line.envs[i + 1], line.envs[i]);
    line.outlier = new Uint8Array(n);
    line.outliers.forEach(function (k) { line.outlier[k] = 1; });
    line.packed = null;
    return line;
  }
  function median(list) {
    var s = list.sort(function (a, b) { return a - b; }), n = s.length;
    return n === 0 ? NaN : n % 2 ? s[(n - 1) / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
  }
  // Where levels begin, with the median of each: at changes and at other fingerprints.
  function levels(line) {
    if (line.levels) return line.levels;
    var starts = [0], out = [];
    line.changes.forEach(function (c) { if (data.states[c.state] !== "noise") starts.push(c.index); });
    for (var i = 2; i < line.envs.length; i += 2) starts.push(line.envs[i]);
    starts = Array.from(new Set(starts)).sort(function (a, b) { return a - b; });
    starts.forEach(function (from, k) {
      var to = k + 1 < starts.length ? starts[k + 1] : line.n, some = [];
      for (var j = from; j < to; j++) if (!line.outlier[j]) some.push(line.value[j]);
      out.push({ from: from, to: to, value: median(some.length ? some : Array.from(line.value.slice(from, to))) });
    });
    return line.levels = out;
  }
  // Not to be joined: another fingerprint, or a gap wide enough to be seen as one.
  function apart(line, i) { return line.env[i] !== line.env[i - 1] || line.night[i] - line.night[i - 1] > Math.max(3, 3 * (data.cadence || 1)); }

  // --- the nights that are shown ---
  var first = data.nights[0], last = data.nights[data.nights.length - 1], range = 0;
  function from() { return range && last - range + 1 > first ? last - range + 1 : first; }
  function scale(x0, x1) {
    var a = from(), width = Math.max(1, last - a + (last - a < 60 ? 0.9 : 0));
    return function (night) { return x0 + (x1 - x0) * (night - a) / width; };
  }
  // Beginnings of months or years, or days, at least `room` pixels apart.
  function ticks(x, room) {
    var out = [], a = from(), d = new Date(a * DAY), steps = [1, 2, 7, 14];
    var perDay = Math.abs(x(a + 1) - x(a)) || room, step = steps.find(function (s) { return s * perDay >= room; });
    if (step && (last - a) / step <= 12) {
      for (var day = a; day <= last; day += step) out.push([day, date(day).slice(5)]);
      return out;
    }
    var months = [1, 2, 3, 6, 12, 24, 60, 120].find(function (m) { return m * 30.4 * perDay >= room; }) || 240;
    var names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    var month = Math.ceil((d.getUTCFullYear() * 12 + d.getUTCMonth() + (d.getUTCDate() > 1 ? 1 : 0)) / months) * months;
    for (; out.length < 40; month += months) {
      var night = Date.UTC(Math.floor(month / 12), month % 12, 1) / DAY;
      if (night > last) break;
      out.push([night, months >= 12 ? String(Math.floor(month / 12)) : names[month % 12] + (month % 12 === 0 || !out.length ? " " + Math.floor(month / 12) : "")]);
    }
    return out;
  }

  // --- sparklines ---
  function narrow() { return matchMedia("screen and (max-width: 760px)").matches; }
  function sparkWidth() { return narrow() ? Math.max(150, innerWidth - 175) : innerWidth <= 1040 ? 260 : 420; }
  function extent(line, a) {
    var lo = Infinity, hi = -Infinity;
    for (var i = 0; i < line.n; i++) {
      if (line.night[i] < a || line.outlier[i]) continue;
      if (line.value[i] < lo) lo = line.value[i];
      if (line.value[i] > hi) hi = line.value[i];
    }
    if (lo > hi) { lo = line.value[line.n - 1]; hi = lo; }
    var least = Math.abs(hi) * 0.02 || 1;   // a line without noise stays flat
    if (hi - lo < least) { var middle = (hi + lo) / 2; lo = middle - least / 2; hi = middle + least / 2; }
    return [lo, hi];
  }
  function spark(parent, line) {
    unpack(line);
    var width = sparkWidth(), height = 34, a = from(), x = scale(7, width - 7), reach = extent(line, a), path = "", pen = "M";
    function y(v) { return Math.max(3, Math.min(height - 3, height - 6 - (height - 12) * (v - reach[0]) / (reach[1] - reach[0]))); }
    var s = draw(parent, "svg", { "class": "spark", viewBox: "0 0 " + width + " " + height, width: width, height: height,
      role: "img", "aria-label": line.n + " runs from " + date(line.night[0]) + " to " + date(line.night[line.n - 1]) + ", " + line.changes.length + " changes" });
    var dots = "";
    for (var i = 0; i < line.n; i++) {
      if (line.night[i] < a) continue;
      if (pen === "L" && apart(line, i)) pen = "M";
      var at = x(line.at[i]).toFixed(1) + " " + y(line.value[i]).toFixed(1);
      if (pen === "M" && (i + 1 === line.n || apart(line, i + 1))) dots += "M" + at + "h.01";   // alone between gaps
      path += pen + at;
      pen = "L";
    }
    draw(s, "path", { "class": "runs", d: path });
    if (dots) draw(s, "path", { "class": "alone", d: dots });
    var steps = "";
    levels(line).forEach(function (l) {
      if (line.night[l.to - 1] < a) return;
      steps += "M" + x(Math.max(a, line.at[l.from])).toFixed(1) + " " + y(l.value).toFixed(1) + "H" + x(line.at[l.to - 1]).toFixed(1);
    });
    draw(s, "path", { "class": "levels", d: steps });
    for (var k = 2; k < line.envs.length; k += 2)
      if (line.night[line.envs[k]] >= a) draw(s, "path", { "class": "env", d: "M" + x(line.at[line.envs[k]]).toFixed(1) + " 1V" + (height - 1) });
    line.changes.forEach(function (c) {
      if (line.night[c.index] >= a) markAt(s, c, x(line.at[c.index]), y(line.value[c.index]), 13);
    });
  }
  function axis(parent) {
    var width = sparkWidth(), x = scale(7, width - 7), s = draw(parent, "svg", { "class": "spark axis", viewBox: "0 0 " + width + " 16", width: width, height: 16, "aria-hidden": "true" });
    var free = -99;
    ticks(x, 56).forEach(function (t) {
      var at = x(t[0]), room = t[1].length * 6.5;
      draw(s, "path", { "class": "tick", d: "M" + at.toFixed(1) + " 0v3" });
      if (at < free + 6 || at + room > width) return;
      draw(s, "text", { x: at.toFixed(1), y: 14 }, t[1]);
      free = at + room;
    });
  }

  // --- tables that grow as they are scrolled ---
  var growing = null;
  function table(caption, classes, heads) {
    var box = add(null, "div", { "class": "scroll", tabindex: "0", role: "region", "aria-label": caption });
    var t = add(box, "table", { "class": classes }), row;
    add(t, "caption", { "class": "sr" }, caption);
    row = add(add(t, "thead"), "tr");
    heads.forEach(function (h) { h = h.split("|"); add(row, "th", h[1] ? { scope: "col", "class": h[1] } : { scope: "col" }, h[0]); });
    add(t, "tbody");
    return box;
  }
  function grow(box, list, makeRow, page) {
    var body = box.querySelector("tbody"), done = 0, more = add(null, "button", { type: "button", "class": "more" });
    function step(n) {
      var part = document.createDocumentFragment();
      for (var end = Math.min(list.length, done + n); done < end; done++) part.appendChild(makeRow(list[done]));
      body.appendChild(part);
      more.textContent = "Show more: " + (list.length - done) + " left";
      if (done === list.length) more.remove();
    }
    if (growing) growing.disconnect();
    growing = new IntersectionObserver(function (seen) { if (seen.some(function (s) { return s.isIntersecting; })) step(page); }, { rootMargin: "300px" });
    more.addEventListener("click", function () { step(page); });
    body.replaceChildren();
    step(page);
    if (done < list.length) { box.parentNode.insertBefore(more, box.nextSibling); growing.observe(more); }
    box.querySelector("table").setAttribute("aria-rowcount", list.length + 1);
    grow.all = function () { step(list.length); };
  }
  addEventListener("beforeprint", function () { if (grow.all) grow.all(); });

  // --- filters ---
  var by = {};
  ["metric", "model", "format", "framework", "device"].forEach(function (what) {
    var select = by[what] = document.getElementById("by-" + what);
    data[what + "s"].filter(Boolean).sort().forEach(function (name) { add(select, "option", { value: name }, name); });
    select.parentNode.hidden = select.options.length < 3;
  });
  by.state = document.getElementById("by-state");
  ["open", "no change", "failed"].concat(data.states).forEach(function (name) { add(by.state, "option", { value: name }, name); });
  var words = document.getElementById("words"), order = document.getElementById("order"), nights = document.getElementById("nights"), count = document.getElementById("count");
  function inState(line, state) {
    if (state === "open") return line.changes.some(function (c) { return c.open; });
    if (state === "failed") return line.failed > 0;
    if (state === "no change") return line.changes.length === 0;
    return line.changes.some(function (c) { return data.states[c.state] === state; });
  }
  function chosen() {
    var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    var kept = lines.filter(function (l) {
      return ["metric", "model", "format", "framework", "device"].every(function (what) { return !by[what].value || l[what] === by[what].value; }) &&
        (!by.state.value || inState(l, by.state.value)) && wanted.every(function (w) { return l.text.indexOf(w) >= 0; });
    });
    count.textContent = kept.length === lines.length ? lines.length + " series" : kept.length + " of " + lines.length + " series";
    return kept;
  }
  function weight(l) { return l.worst >= 0 ? 1e6 : l.shown ? (l.shown.worse ? 1e3 : 0) + Math.abs(l.shown.effect) : -1; }
  function newest(l) { return l.changes.length ? unpack(l).night[l.changes[l.changes.length - 1].index] : -1; }
  var orders = {
    worst: function (a, b) { return weight(b) - weight(a) || a.place - b.place; },
    noise: function (a, b) { return (b.noise === null ? -1 : b.noise) - (a.noise === null ? -1 : a.noise) || a.place - b.place; },
    newest: function (a, b) { return newest(b) - newest(a) || a.place - b.place; },
    name: function (a, b) { return a.text < b.text ? -1 : a.text > b.text ? 1 : a.place - b.place; }
  };

  // --- the three lists ---
  function stateOf(c) { return data.states[c.state] + (c.open || c.state > 1 ? "" : ", gone again"); }
  function nameCell(row, line) {
    var th = add(row, "th", { scope: "row" });
    add(th, "a", { href: "#s/" + line.key }, line.name);
    add(th, "span", { "class": "of" }, line.of);
    if (line.failed) add(th, "span", { "class": "of failed" }, "failed " + date(line.failed));
    if (line.late) add(th, "span", { "class": "of late" }, "last run " + date(unpack(line).night[line.n - 1]));
    row.addEventListener("click", function (e) { if (!e.target.closest("a") && !String(getSelection())) location.hash = "s/" + line.key; });
  }
  function rowOf(line) {
    var row = add(null, "tr"), cell;
    nameCell(row, line);
    cell = add(row, "td", { "class": "spark" });
    spark(narrow() ? row.firstChild : cell, line);   // below the name where there is no room beside it
    cell = add(row, "td", { "class": "change" });
    if (line.shown) {
      mark(cell, line.shown);
      add(cell, "b", {}, effect(line.shown.effect));
      cell.appendChild(document.createTextNode(" " + side(line, line.shown.effect)));
      add(cell, "span", { "class": "of" }, date(line.night[line.shown.index]) + ", " + stateOf(line.shown));
    } else cell.textContent = "-";
    add(row, "td", { "class": "wide" }, figure(line.value[line.n - 1]));
    add(row, "td", { "class": "wide" }, share(line.noise, 2));
    return row;
  }
  var known = new Map();
  function gridRow(line) {   // drawn once for a range and a width
    if (!known.has(line)) known.set(line, rowOf(line));
    return known.get(line);
  }
  var outcomes = ["", "", "no run before it", "no run since", "another fingerprint: not comparable"];
  function releaseRow(line) {
    var row = add(null, "tr"), r = line.release, cell;
    nameCell(row, line);
    cell = add(row, "td", {}, r.outcome === 1 ? effect(r.effect) : "-");
    if (r.outcome !== 1) add(cell, "span", { "class": "of" }, outcomes[r.outcome]);
    else add(cell, "span", { "class": "of" }, r.nChanges && side(line, r.effect) || "no change point");
    add(row, "td", {}, figure(r.before));
    add(row, "td", {}, figure(r.after));
    add(row, "td", { "class": "wide" }, r.nBefore || r.nAfter ? r.nBefore + " / " + r.nAfter : "-");
    add(row, "td", { "class": "wide" }, probability(r.p));
    add(row, "td", { "class": "wide" }, String(r.nChanges));
    return row;
  }
  function noiseRow(line) {
    var row = add(null, "tr"), cell, most = views.noise.most, s;
    nameCell(row, line);
    cell = add(row, "td", {}, share(line.noise, 2));
    s = draw(cell, "svg", { "class": "bar", viewBox: "0 0 100 8", "aria-hidden": "true" });
    if (line.noise > 0) draw(s, "path", { d: "M0 4H" + (100 * line.noise / most).toFixed(1) });
    add(row, "td", {}, String(line.outliers.length));
    add(row, "td", { "class": "wide" }, String(line.n));
    add(row, "td", { "class": "wide" }, String(line.envs.length / 2 + line.changes.length));
    return row;
  }
  function badness(l) { return l.release.outcome !== 1 || !l.release.nChanges ? -1e9 + (l.release.outcome === 1 ? -l.better * l.release.effect : -1e9) : -l.better * l.release.effect; }
  var views = {
    grid: { title: "Cells and nights", lead: "A row for each series, all over the same nights: medians of runs, the levels between changes, and a mark where a level changed.",
            heads: ["cell|text", "nights|spark", "change|change", "newest|wide", "noise|wide"], row: gridRow, classes: "grid-of-nights", order: function () { return orders[order.value]; } },
    release: { title: "Since " + data.release, lead: "Medians of at most ten runs before the release and of the newest ones, within one level; where no change point lies between them the difference is noise or drift.",
               heads: ["cell|text", "effect", "before", "now", "runs|wide", "p|wide", "changes|wide"], row: releaseRow, classes: "since", order: function () { return function (a, b) { return badness(b) - badness(a) || a.place - b.place; }; } },
    noise: { title: "Worst noise", lead: "Robust sigma of the runs around the level that they belong to, as a share of it: what a change must exceed to be seen.",
             heads: ["cell|text", "noise", "outliers", "runs|wide", "levels|wide"], row: noiseRow, classes: "noise", order: function () { return orders.noise; },
             most: lines.reduce(function (m, l) { return Math.max(m, l.noise || 0); }, 0) || 1 }
  };
  if (!data.release) delete views.release;
  var now = "grid", listBox = null;
  function fill() {
    var v = views[now], list = chosen().sort(v.order());
    var old = view.querySelector(".more, .none");
    if (old) old.remove();
    grow(listBox, list, v.row, PAGE);
    listBox.hidden = !list.length;
    if (!list.length) add(view, "p", { "class": "none lead" }, "No series is like that.");
  }
  function showList(name) {
    var v = views[now = name];
    view.replaceChildren();
    add(view, "h2", { tabindex: "-1" }, v.title);
    add(view, "p", { "class": "lead" }, v.lead);
    listBox = table(v.title, v.classes, v.heads);
    view.appendChild(listBox);
    if (name === "grid") axis(listBox.querySelector("th.spark"));
    document.getElementById("order-label").hidden = name !== "grid";
    nights.parentNode.hidden = name !== "grid";
    fill();
  }

  // --- a series ---
  function facts(line) {
    var dl = add(null, "dl", { "class": "facts" });
    [["Metric", line.metric + (line.unit && line.unit !== "1" ? " in " + line.unit : "") + (line.better ? line.better > 0 ? ", more is better" : ", less is better" : "")],
     ["Framework", line.framework], ["Workload", line.workload], ["Device", line.device],
     ["Runs", line.n + " from " + date(line.night[0]) + " to " + date(line.night[line.n - 1])],
     ["Noise", share(line.noise, 2)], ["Fingerprint", data.envs[line.env[line.n - 1]].slice(0, 12)]].forEach(function (f) {
      if (!f[1]) return;
      add(dl, "dt", {}, f[0]);
      add(dl, "dd", {}, f[1]);
    });
    return dl;
  }
  function yTicks(lo, hi, n) {
    var raw = (hi - lo) / n, size = Math.pow(10, Math.floor(Math.log10(raw))), step = [1, 2, 5, 10].map(function (m) { return m * size; }).find(function (s) { return s >= raw; });
    var out = [], digits = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9)));
    for (var k = Math.ceil(lo / step - 1e-9); k * step <= hi * (1 + 1e-12) + 1e-300 && out.length < 20; k++) out.push([k * step, (k * step).toFixed(digits)]);
    return out;
  }
  function chart(line, box) {
    var width = Math.max(300, box.clientWidth - 2), height = width < 600 ? 250 : 360, a = from(), left = 64, right = width - 14, top = 30, bottom = height - 44;
    var x = scale(left + 6, right - 6), lo = Infinity, hi = -Infinity, i, start = 0;
    while (start < line.n - 1 && line.night[start] < a) start++;
    for (i = start; i < line.n; i++) {
      lo = Math.min(lo, isNaN(line.lo[i]) ? line.value[i] : line.lo[i], line.value[i]);
      hi = Math.max(hi, isNaN(line.hi[i]) ? line.value[i] : line.hi[i], line.value[i]);
    }
    var pad = (hi - lo) * 0.08 || Math.abs(hi) * 0.02 || 1;
    lo -= pad;
    hi += pad;
    function y(v) { return bottom - (bottom - top) * (v - lo) / (hi - lo); }
    var s = draw(box, "svg", { "class": "chart", viewBox: "0 0 " + width + " " + height, role: "img", tabindex: "0",
      "aria-label": line.name + ", " + line.metric + ": " + line.n + " runs, " + line.changes.length + " changes; arrow keys go from run to run" });
    yTicks(lo, hi, width < 600 ? 4 : 6).forEach(function (t) {
      draw(s, "path", { "class": "lattice", d: "M" + left + " " + y(t[0]).toFixed(1) + "H" + right });
      draw(s, "text", { x: left - 8, y: (y(t[0]) + 4).toFixed(1), "text-anchor": "end" }, t[1]);
    });
    ticks(x, 80).forEach(function (t) {
      var at = x(t[0]);
      draw(s, "path", { "class": "lattice", d: "M" + at.toFixed(1) + " " + bottom + "v5" });
      if (at > left && at < right - 20) draw(s, "text", { x: at.toFixed(1), y: bottom + 34, "text-anchor": "middle" }, t[1]);
    });
    var band = "", points = "", outliers = "", builds = "", artifacts = "";
    for (i = start; i < line.n; i++) {
      var px = x(line.at[i]).toFixed(1), py = y(line.value[i]).toFixed(1);
      if (!isNaN(line.lo[i])) band += "M" + px + " " + y(line.lo[i]).toFixed(1) + "V" + y(line.hi[i]).toFixed(1);
      if (line.outlier[i]) outliers += "M" + (px - 4) + " " + (py - 4) + "l8 8m0-8l-8 8";
      else points += "M" + px + " " + py + "h.01";
      if (i && line.build[i] !== line.build[i - 1]) builds += "M" + px + " " + (bottom + 7) + "v7";
    }
    line.artifacts.forEach(function (k) { if (k >= start) artifacts += "M" + x(line.at[k]).toFixed(1) + " " + (bottom + 6) + "l4 9h-8z"; });
    draw(s, "path", { "class": "band", d: band });
    var steps = "";
    levels(line).forEach(function (l) {
      if (l.to - 1 < start) return;
      steps += "M" + x(line.at[Math.max(start, l.from)]).toFixed(1) + " " + y(l.value).toFixed(1) + "H" + x(line.at[l.to - 1]).toFixed(1);
    });
    draw(s, "path", { "class": "points" + (line.n - start > 400 ? " many" : ""), d: points });
    draw(s, "path", { "class": "outliers", d: outliers });
    draw(s, "path", { "class": "levels", d: steps });
    draw(s, "path", { "class": "builds", d: builds });
    draw(s, "path", { "class": "artifacts", d: artifacts });
    for (i = 2; i < line.envs.length; i += 2) {
      if (line.envs[i] < start) continue;
      var at = x(line.at[line.envs[i]]), end = at > right - 130;
      draw(s, "path", { "class": "env", d: "M" + at.toFixed(1) + " " + top + "V" + bottom });
      draw(s, "text", { x: (at + (end ? -5 : 5)).toFixed(1), y: bottom - 6, "text-anchor": end ? "end" : "start" }, "fingerprint " + data.envs[line.envs[i + 1]].slice(0, 8));
    }
    line.changes.forEach(function (c) {
      if (c.index < start) return;
      var cx = x(line.at[c.index]);
      draw(s, "path", { "class": "cut s-" + data.states[c.state], d: "M" + cx.toFixed(1) + " " + top + "V" + bottom });
      markAt(s, c, cx, top - 12, 17);
    });
    follow(line, s, box, x, y, start, top, bottom);
  }
  // The run under the pointer, or the one that arrow keys have reached.
  function follow(line, s, box, x, y, start, top, bottom) {
    var cursor = draw(s, "path", { "class": "cursor", d: "" }), said = add(box, "output", { "class": "said" }, "Point at a run, or use the arrow keys."), at = line.n;
    function say(i) {
      at = Math.max(start, Math.min(line.n - 1, i));
      cursor.setAttribute("d", "M" + x(line.at[at]).toFixed(1) + " " + top + "V" + bottom + "m-5 " + (y(line.value[at]) - bottom).toFixed(1) + "h10");
      said.textContent = describe(line, at);
    }
    s.addEventListener("pointermove", function (e) {
      var r = s.getBoundingClientRect(), want = (e.clientX - r.left) * s.viewBox.baseVal.width / r.width, lo = start, hi = line.n - 1;
      while (lo < hi) {
        var m = (lo + hi) >> 1;
        if (x(line.at[m]) < want) lo = m + 1; else hi = m;
      }
      say(lo > start && want - x(line.at[lo - 1]) < x(line.at[lo]) - want ? lo - 1 : lo);
    });
    s.addEventListener("keydown", function (e) {
      var step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e9, End: 1e9 }[e.key];
      if (!step) return;
      e.preventDefault();
      say(at + step);
    });
  }
  function remarks(line, i) {
    var out = [];
    if (line.outlier[i]) out.push("outlier");
    if (i && line.env[i] !== line.env[i - 1]) out.push("other fingerprint");
    if (line.artifacts.indexOf(i) >= 0) out.push("other artifact or configuration");
    line.changes.forEach(function (c) { if (c.index === i) out.push("change " + effect(c.effect) + ", " + data.states[c.state]); });
    return out.join("; ");
  }
  function interval(line, i) { return isNaN(line.lo[i]) ? "-" : figure(line.lo[i]) + " to " + figure(line.hi[i]); }
  function describe(line, i) {
    return [date(line.night[i]), figure(line.value[i]) + (line.unit && line.unit !== "1" ? " " + line.unit : ""), isNaN(line.lo[i]) ? "" : "interval " + interval(line, i),
            line.samples[i] > 1 ? line.samples[i] + " repetitions" : "", data.builds[line.build[i]], remarks(line, i)].filter(Boolean).join(" \u00b7 ");
  }
  function changeRow(line, c) {
    var row = add(null, "tr"), th = add(row, "th", { scope: "row" }), cell;
    mark(th, c);
    add(th, "span", {}, date(line.night[c.index]));
    add(th, "span", { "class": "of" }, stateOf(c));
    cell = add(row, "td", {}, effect(c.effect));
    add(cell, "span", { "class": "of" }, side(line, c.effect));
    add(row, "td", {}, figure(c.before));
    add(row, "td", {}, figure(c.after));
    add(row, "td", {}, probability(c.p));
    add(row, "td", { "class": "wide text mono" }, c.index ? (data.builds[line.build[c.index - 1]] || "?") + " \u2192 " + (data.builds[line.build[c.index]] || "?") : data.builds[line.build[0]]);
    cell = add(row, "td", { "class": "words" });
    add(cell, "code", {}, c.id);
    if (c.note) add(cell, "span", { "class": "of" }, c.note);
    if (/^https?:\/\//i.test(c.link)) add(add(cell, "span", { "class": "of" }), "a", { href: c.link, rel: "noopener noreferrer" }, c.link);
    else if (c.link) add(cell, "span", { "class": "of" }, c.link);
    return row;
  }
  function pointRow(line, i) {
    var row = add(null, "tr");
    add(row, "th", { scope: "row" }, date(line.night[i]));
    add(row, "td", {}, figure(line.value[i]));
    add(row, "td", {}, interval(line, i));
    add(row, "td", {}, line.samples[i] > 0 ? String(line.samples[i]) : "-");
    add(row, "td", { "class": "text mono" }, data.builds[line.build[i]] || "-");
    add(row, "td", { "class": "words" }, remarks(line, i));
    return row;
  }
  function fillSeries(line) {
    var box = view.querySelector(".chart-box");
    box.replaceChildren();
    chart(line, box);
  }
  function showSeries(line) {
    unpack(line);
    now = "series";
    view.replaceChildren();
    var back = add(view, "p", { "class": "back" });
    add(back, "a", { href: "#grid" }, "\u2190 All series");
    add(view, "h2", { tabindex: "-1" }, line.name + ": " + line.metric);
    var choice = add(view, "div", { "class": "choice", role: "group", "aria-label": "Nights" });
    [["0", "all"], ["365", "last 365"], ["90", "last 90"], ["30", "last 30 nights"]].forEach(function (r) {
      var b = add(choice, "button", { type: "button", "aria-pressed": String(range === +r[0]) }, r[1]);
      b.addEventListener("click", function () {
        setRange(+r[0]);
        choice.querySelectorAll("button").forEach(function (o) { o.setAttribute("aria-pressed", String(o === b)); });
        fillSeries(line);
      });
    });
    add(view, "div", { "class": "chart-box" });
    chart(line, view.querySelector(".chart-box"));
    var key = add(view, "ul", { "class": "legend chart-key" });
    [["k-run", "median of a run"], ["k-band", "interval of its repetitions"], ["k-level", "level"], ["k-outlier", "outlier"], ["k-env", "other fingerprint"],
     ["k-build", "other commit or build"], ["k-artifact", "other artifact or configuration"]].forEach(function (k) {
      var li = add(key, "li");
      add(li, "span", { "class": "key-mark " + k[0] });
      li.appendChild(document.createTextNode(k[1]));
    });
    var box;
    if (line.changes.length) {
      add(view, "h3", {}, "Changes");
      box = table("Changes", "changes", ["since|text", "effect", "before", "after", "p", "builds|wide text", "name|text"]);
      view.appendChild(box);
      line.changes.slice().reverse().forEach(function (c) { box.querySelector("tbody").appendChild(changeRow(line, c)); });
      add(view, "p", { "class": "lead" }, "whichquant history acknowledge, accept, noise or fixed NAME answers a change.");
    }
    view.appendChild(facts(line));
    add(view, "h3", {}, "Runs, the newest first");
    box = table("Runs", "runs", ["night|text", line.unit && line.unit !== "1" ? line.unit : "value", "interval", "repetitions", "build|text", "remarks|text"]);
    view.appendChild(box);
    var list = Array.from({ length: line.n }, function (_, i) { return line.n - 1 - i; });
    grow(box, list, function (i) { return pointRow(line, i); }, 30);
  }

  // --- where we are ---
  function setRange(n) { if (range !== n) { range = n; known.clear(); } nights.value = String(n); }
  function plain(fragment) { try { return decodeURIComponent(fragment); } catch (_) { return "grid"; } }   // "#%"
  function route(moved) {
    var hash = plain(location.hash.slice(1)), line = null, want = hash.slice(2);
    if (/^s\/./.test(hash)) line = lines.find(function (l) { return l.key === want; }) || lines.find(function (l) { return want.length >= 8 && l.series.indexOf(want) === 0; });
    if (/^c\/./.test(hash)) line = lines.find(function (l) { return l.changes.some(function (c) { return c.id === want; }); });
    if (!line && /^[sc]\//.test(hash)) hash = "grid";
    if (!line && hash && !views[hash]) { if (view.firstChild) return; hash = "grid"; }   // "#answer", of the skip link
    tools.hidden = Boolean(line);
    document.body.classList.toggle("one-series", Boolean(line));
    if (line) showSeries(line); else showList(hash || "grid");
    document.querySelectorAll(".tabs a").forEach(function (a) {
      if (!line && a.getAttribute("href") === "#" + now) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    });
    document.title = (line ? line.name + " " + line.metric : views[now].title) + " - whichquant dashboard";
    if (moved) {
      view.querySelector("h2").focus({ preventScroll: true });
      document.querySelector(".tabs").scrollIntoView({ block: "start" });
    }
  }
  document.querySelector(".tabs").hidden = false;
  addEventListener("hashchange", function () { route(true); });
  tools.addEventListener("submit", function (e) { e.preventDefault(); });
  tools.addEventListener("input", function (e) {
    if (e.target === nights) { setRange(+nights.value); showList(now); } else fill();
  });
  var width = sparkWidth(), wide = innerWidth;
  addEventListener("resize", function () {
    if (sparkWidth() !== width) { width = sparkWidth(); known.clear(); if (views[now]) showList(now); }
    if (now === "series" && innerWidth !== wide) route(false);
    wide = innerWidth;
  });
  // Series of several metrics: one of them at first, the one with the most series, so that the rows compare.
  if (by.metric.options.length > 2) {
    var counts = new Map();
    lines.forEach(function (l) { counts.set(l.metric, (counts.get(l.metric) || 0) + 1); });
    var most = Array.from(counts).sort(function (a, b) { return b[1] - a[1]; })[0];
    if (lines.length > 400 && most[1] >= 50) by.metric.value = most[0];
  }
  route(location.hash.length > 1);
})();
