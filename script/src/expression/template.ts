import { compileExpression, type ExpressionProblem, type Scope } from './expression.ts';
import type { KnownNames } from './names.ts';
import { printValue, VALUE_LIMITS, ValueError } from './values.ts';

/** Prints a template. @throws Error as its expressions do, ValueError when the text is too long */
export type Print = (scope: Scope) => string;

/** A compiled template; `constant` is its text when it holds no expression. */
export type CompiledTemplate =
  | { readonly print: Print; readonly constant: string | undefined }
  | { readonly problems: readonly ExpressionProblem[] };

type Part = { readonly text: string } | { readonly expression: string };

/** Compiles text with `{{ … }}` in it. What an expression prints is never looked at again. */
export function compileTemplate(text: string, known: KnownNames): CompiledTemplate {
  if (!text.includes('{{')) return { print: () => text, constant: text };
  const parts = splitTemplate(text);
  if (!parts) return { problems: [{ code: 'BAD_EXPRESSION', message: 'a {{ is not closed by a }}' }] };
  const problems: ExpressionProblem[] = [];
  const prints = parts.map((part): Print => {
    if ('text' in part) return () => part.text;
    const compiled = compileExpression(part.expression, known);
    if ('problems' in compiled) {
      problems.push(...compiled.problems);
      return () => '';
    }
    return (scope) => printValue(compiled.evaluate(scope));
  });
  if (problems.length > 0) return { problems };
  return { print: (scope) => joined(prints, scope), constant: undefined };
}

function joined(prints: readonly Print[], scope: Scope): string {
  let text = '';
  for (const print of prints) text += print(scope);
  if (text.length > VALUE_LIMITS.text) throw new ValueError(`a text of more than ${VALUE_LIMITS.text} characters`);
  return text;
}

/** Cuts a template at its braces; a `}}` inside a CEL string literal does not close it. Undefined when one is left open. */
function splitTemplate(text: string): readonly Part[] | undefined {
  const parts: Part[] = [];
  let position = 0;
  for (;;) {
    const open = text.indexOf('{{', position);
    if (open < 0) break;
    const close = findClose(text, open + 2);
    if (close < 0) return undefined;
    if (open > position) parts.push({ text: text.slice(position, open) });
    parts.push({ expression: text.slice(open + 2, close).trim() });
    position = close + 2;
  }
  if (position < text.length) parts.push({ text: text.slice(position) });
  return parts;
}

/** Index of the `}}` that ends an expression; maps inside it nest, strings are passed over. */
function findClose(text: string, from: number): number {
  let depth = 0;
  for (let index = from; index < text.length; index++) {
    const character = text[index];
    if (character === '"' || character === "'") index = endOfString(text, index);
    else if (character === '{') depth++;
    else if (character === '}' && depth > 0) depth--;
    else if (character === '}' && text[index + 1] === '}') return index;
  }
  return -1;
}

function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === text[start]) return index;
  }
  return text.length;
}
