import type { Socket } from 'node:net';

/**
 * Makes two connections one: bytes both ways with backpressure, an end of one direction as an end of it, a reset as a reset. `onClosed` is
 * called once both are closed; neither may be destroyed yet.
 */
export function joinSockets(one: Socket, other: Socket, halfClosedMs: number, onClosed: () => void): void {
  let open = 2;
  let timer: NodeJS.Timeout | undefined;
  const onClose = (): void => {
    open--;
    if (open > 0) return;
    clearTimeout(timer);
    onClosed();
  };
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.resetAndDestroy());
    // Who has nothing more to say is soon left by the other; one that does not leave is not waited for.
    from.on('end', () => {
      timer ??= setTimeout(() => {
        one.destroy();
        other.destroy();
      }, halfClosedMs);
    });
    from.on('close', () => {
      to.destroySoon();
      onClose();
    });
    from.pipe(to);
  }
}
