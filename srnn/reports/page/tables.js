// Numbers to be looked at and copied. A table is made when it is opened, and of a long one its first rows.

const ROWS = 200;

function copied(button, text) {
  const before = button.textContent;
  const done = () => {
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = before), 1500);
  };
  const byHand = () => {
    const area = element("textarea", { readonly: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    if (document.execCommand("copy")) done();
    area.remove();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, byHand);
  else byHand();
}

function asText(table) {
  const lines = [table.names.join("\t")];
  for (let row = 0; row < table.length; row++) {
    lines.push(table.names.map((name) => String(table.columns[name][row] ?? "").replace(/[\t\r\n]+/g, " ")).join("\t"));
  }
  return lines.join("\n");
}

function foldedTable(title, table) {
  const details = element("details", {}, element("summary", {}, `${title}: ${short(table.length)} rows`));
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    const copy = element("button", { type: "button", class: "copy" }, "Copy table");
    copy.addEventListener("click", () => copied(copy, asText(table)));
    const head = element("tr", {}, ...table.names.map((name) => element("th", { scope: "col", class: table.numeric[name] ? "" : "word" }, name)));
    const body = element("tbody");
    for (let row = 0; row < Math.min(ROWS, table.length); row++) {
      const cells = table.names.map((name) => {
        const value = table.columns[name][row];
        return table.numeric[name] ? element("td", {}, short(value)) : element("td", { class: "word" }, value);
      });
      body.append(element("tr", {}, ...cells));
    }
    details.append(copy, element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), body)));
    if (table.length > ROWS) {
      details.append(element("p", { class: "note" }, `The first ${ROWS} rows; all ${short(table.length)} are copied.`));
    }
  });
  return details;
}
