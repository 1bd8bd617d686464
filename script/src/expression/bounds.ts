import { VALUE_LIMITS, ValueError } from './values.ts';
import { spendWork } from './work.ts';

/** A checked node of cel-js's tree, with the parts of it that its types leave out (version 8.0.0, pinned). */
interface CheckedNode {
  readonly op: string;
  readonly args: unknown;
  readonly meta: { readonly alternate?: unknown; readonly evaluate?: Evaluator };
  /** Carries out an operator or a function; the check put it there. */
  handle?: Handler;
  setMeta(key: string, value: unknown): unknown;
}
type Evaluator = (evaluator: unknown, node: unknown, context: unknown) => unknown;
type Handler = (...args: unknown[]) => unknown;

/**
 * Bounds what a checked expression can cost. CEL always ends, but a `map` over ten thousand items, or texts and lists that double a few
 * dozen times, end too late for everybody's calls: each item of a comprehension pays for a visit of its body, operators and functions pay
 * for what they read, and what they make has a size. cel-js has no such bounds, so this hooks into what its check left in the tree.
 * Returns the number of nodes.
 */
export function boundWork(value: unknown): number {
  if (!isChecked(value)) return 0;
  const size = childrenOf(value).reduce<number>((sum, child) => sum + boundWork(child), 1);
  if (isComprehension(value.args)) payPerItem(value.args.step, size);
  else if (value.handle) value.handle = bounded(value, value.handle);
  return size;
}

function childrenOf(node: CheckedNode): readonly unknown[] {
  if (node.meta.alternate !== undefined) return [node.meta.alternate];
  if (isComprehension(node.args)) return [node.args.iterable, node.args.step];
  return flat(node.args);
}

function flat(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value];
}

function isChecked(value: unknown): value is CheckedNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'meta' in value && 'args' in value;
}

function isComprehension(args: unknown): args is { readonly iterable: unknown; readonly step: unknown } {
  return typeof args === 'object' && args !== null && 'iterable' in args && 'step' in args;
}

function payPerItem(step: unknown, size: number): void {
  const evaluate = isChecked(step) ? step.meta.evaluate : undefined;
  if (!isChecked(step) || !evaluate) throw new Error('cel-js keeps the steps of a comprehension elsewhere');
  step.setMeta('evaluate', (evaluator: unknown, node: unknown, context: unknown) => {
    spendWork(size);
    return evaluate(evaluator, node, context);
  });
}

function bounded({ op, args }: CheckedNode, handle: Handler): Handler {
  if (op === '+') {
    return (left, right, ...rest) => {
      checkSum(left, right);
      return handle(left, right, ...rest);
    };
  }
  if (op === '==' || op === '!=' || op === 'in') {
    return (left, right, ...rest) => {
      payFor(left);
      payFor(right);
      return handle(left, right, ...rest);
    };
  }
  if (op !== 'call' && op !== 'rcall') return handle;
  const name = Array.isArray(args) ? args[0] : undefined;
  return (given, ...rest) => {
    checkCall(name, Array.isArray(given) ? given : []);
    return handle(given, ...rest);
  };
}

/** Comparing reads everything in a value. */
function payFor(value: unknown): void {
  spendWork(typeof value === 'string' ? 1 + value.length / 64 : 1);
  if (typeof value !== 'object' || value === null || value instanceof Date) return;
  for (const item of Object.values(value)) payFor(item);
}

function checkSum(left: unknown, right: unknown): void {
  const size = sizeOf(left) + sizeOf(right);
  spendWork(1 + size / 16);
  checkSize(size);
}

function checkSize(size: number): void {
  if (size > VALUE_LIMITS.text) throw new ValueError(`a text or a list of more than ${VALUE_LIMITS.text} parts`);
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' || Array.isArray(value) || value instanceof Uint8Array ? value.length : 0;
}

/** Reading a clock in a time zone goes through the platform's formatter: some 30 µs. */
const ZONE_WORK = 1000;

function checkCall(name: unknown, args: readonly unknown[]): void {
  spendWork(args.reduce<number>((sum, arg) => sum + 1 + sizeOf(arg) / 8, 1));
  if (args.length === 2 && args[0] instanceof Date) spendWork(ZONE_WORK);
  const [list, separator] = args;
  if (name !== 'join' || !Array.isArray(list)) return;
  checkSize(list.reduce<number>((sum, item) => sum + sizeOf(item), sizeOf(separator) * list.length));
}
