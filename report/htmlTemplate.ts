/** Markup that is safe to put into a page as it is. */
export class SafeHtml {
  constructor(readonly markup: string) {}
}

export type HtmlValue = SafeHtml | string | number | null | undefined | false | readonly HtmlValue[];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML, for elements and quoted attributes. Control characters, which HTML forbids, become U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** Tagged template: every value is escaped unless it is `SafeHtml`; lists are joined; null, undefined and false leave nothing. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): SafeHtml {
  // the templates' indentation is for us; values keep theirs
  const parts = strings.map((part) => part.replace(/\n\s+/g, '\n'));
  return new SafeHtml(parts.reduce((markup, part, i) => markup + render(values[i - 1]) + part));
}

/** Vouches for markup made elsewhere, e.g. a chart. */
export function trusted(markup: string): SafeHtml {
  return new SafeHtml(markup);
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof SafeHtml) return value.markup;
  if (Array.isArray(value)) return value.map(render).join('');
  return escapeHtml(String(value));
}
