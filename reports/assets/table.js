"use strict";
// Without this script the page can be read whole; it adds sorting, filtering, a choice of theme and a button that copies.
// Sorts tables by a click (or Enter) on a heading: figures by their value, the rest as text; unknown stays last.
var units = { "KiB": 1024, "MiB": 1048576, "GiB": 1073741824, "TiB": 1099511627776, "s": 1000 };
function shown(cell) {
  var parts = cell.querySelectorAll(":scope > span:not(.of)");
  for (var i = 0; i < parts.length; i++)
    if (getComputedStyle(parts[i]).display !== "none") return parts[i].textContent;
  return cell.firstChild ? cell.firstChild.textContent : "";
}
function key(cell, words) {
  if (words)
    return cell.textContent.trim().toLowerCase();
  var text = shown(cell).replace("<", "").trim(), value = parseFloat(text);
  return text === "reference" ? 0 : value * (units[text.split(" ")[1]] || 1);
}
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0];
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  function sort(column, down) {
    var rows = Array.prototype.map.call(body.rows, function (row) { return { row: row, key: key(row.cells[column], heads[column].className === "text") }; });
    rows.sort(function (a, b) {
      if (typeof a.key === "number") {
        if (isNaN(a.key) || isNaN(b.key)) return isNaN(a.key) - isNaN(b.key);
        return down ? b.key - a.key : a.key - b.key;
      }
      return down ? b.key.localeCompare(a.key) : a.key.localeCompare(b.key);
    });
    rows.forEach(function (r) { body.appendChild(r.row); });
    heads.forEach(function (h, i) {
      if (i === column) h.setAttribute("aria-sort", down ? "descending" : "ascending");
      else h.removeAttribute("aria-sort");
    });
  }
  heads.forEach(function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      var chosen = table.classList.contains("grid") && column > 1 && document.querySelector("input[name=heat]:checked");
      var high = (chosen || head).hasAttribute("data-high");   // where more is better the best comes first
      var now = head.getAttribute("aria-sort");
      sort(column, now ? now === "ascending" : high);
    });
  });
  if (table.classList.contains("grid"))   // another figure: the arrow would speak of the last one
    document.querySelectorAll("input[name=heat]").forEach(function (input) {
      input.addEventListener("change", function () {
        heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
      });
    });
});
document.querySelectorAll(".filter").forEach(function (box) {
  var words = box.querySelector("#filter-words"), runs = box.querySelector("#filter-runs"), count = box.querySelector("output");
  var rows = Array.prototype.map.call(document.querySelectorAll("table.rows tbody tr, table.devices tbody tr"), function (row) {
    return { row: row, text: row.textContent.toLowerCase(), runs: !/\b(over|veto|cannot|failed)\b/.test(row.className) };
  });
  function apply() {
    var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean), n = 0;
    rows.forEach(function (r) {
      var keep = (!runs.checked || r.runs) && wanted.every(function (w) { return r.text.indexOf(w) >= 0; });
      r.row.hidden = !keep;
      n += keep;
    });
    count.textContent = n === rows.length ? n + " rows" : n + " of " + rows.length + " rows";
  }
  words.addEventListener("input", apply);
  runs.addEventListener("change", apply);
  box.hidden = false;
});
document.querySelectorAll(".command").forEach(function (box) {
  var button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", function () {
    var range = document.createRange();
    range.selectNodeContents(box.querySelector("code"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (document.execCommand("copy")) button.textContent = "Copied";
  });
  box.appendChild(button);
});
// The theme follows the system until the button is pressed.
Array.prototype.forEach.call(document.styleSheets[0].cssRules, function (rule) {
  if (!rule.media || rule.media.mediaText.indexOf("prefers-color-scheme") < 0) return;
  var button = document.createElement("button"), dark = matchMedia("(prefers-color-scheme: dark)").matches;
  function say() { button.textContent = dark ? "Light theme" : "Dark theme"; }
  button.type = "button";
  button.id = "theme";
  button.addEventListener("click", function () {
    dark = !dark;
    rule.media.mediaText = dark ? "screen" : "not all";
    say();
  });
  say();
  document.querySelector(".top").appendChild(button);
});
