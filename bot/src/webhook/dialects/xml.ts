type Value = string | number | boolean;

/** An element with escaped attributes, around children that are XML already. */
export function element(name: string, attributes: { readonly [name: string]: Value }, ...children: string[]): string {
  const printed = Object.entries(attributes).map(([key, value]) => ` ${key}="${text(String(value))}"`);
  const head = `<${name}${printed.join('')}`;
  return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`;
}

const ENTITIES: { readonly [character: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Text as XML 1.0 has it, without the characters that XML cannot hold. */
export function text(value: string): string {
  return value
    .toWellFormed()
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
