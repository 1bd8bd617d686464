/** An element of a document as a test looks at it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: { readonly [name: string]: string };
  readonly children: readonly XmlElement[];
  readonly text: string;
}

const ENTITIES: { readonly [name: string]: string } = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function plain(text: string): string {
  if (/[<>]|&(?!(amp|lt|gt|quot|apos);)/.test(text)) throw new Error(`not escaped: ${text}`);
  return text.replace(/&(\w+);/g, (_all, name: string) => ENTITIES[name] ?? '');
}

/** Reads a document without comments, instructions and namespaces, strictly. @throws for anything that is not well formed */
export function readXml(document: string): XmlElement {
  let rest = document.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>/, '');
  const element = (): XmlElement => {
    const head = /^<([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(\/?)>/.exec(rest);
    if (!head) throw new Error(`no element at: ${rest.slice(0, 80)}`);
    const [all, name = '', written = '', closed] = head;
    rest = rest.slice(all.length);
    const found = [...written.matchAll(/ ([A-Za-z]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
      key,
      plain(value),
    ]);
    const attributes: { readonly [name: string]: string } = Object.fromEntries(found);
    if (closed) return { name, attributes, children: [], text: '' };
    const children: XmlElement[] = [];
    let text = '';
    while (!rest.startsWith('</')) {
      const [piece = ''] = /^[^<]*/.exec(rest) ?? [];
      text += plain(piece);
      rest = rest.slice(piece.length);
      if (!rest.startsWith('</')) children.push(element());
    }
    if (!rest.startsWith(`</${name}>`)) throw new Error(`</${name}> is missing at: ${rest.slice(0, 80)}`);
    rest = rest.slice(name.length + 3);
    return { name, attributes, children, text };
  };
  const root = element();
  if (rest !== '') throw new Error(`more behind the document: ${rest.slice(0, 80)}`);
  return root;
}
