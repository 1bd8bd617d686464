/** Bytes that somebody holds. */
export interface Share {
  /** The size turned out to be another: never refused, for it is there already. */
  resize(bytes: number): void;
  /** Gives them back; a second time does nothing. */
  release(): void;
}

/** Bounds what all hold together, and what one owner holds. */
export interface Budget {
  /** Undefined: there is no room. */
  take(owner: string, bytes: number): Share | undefined;
}

export function byteBudget(most: number, mostOfOne: number): Budget {
  let held = 0;
  const ofOwner = new Map<string, number>();
  const change = (owner: string, by: number): void => {
    held += by;
    const own = (ofOwner.get(owner) ?? 0) + by;
    if (own === 0) ofOwner.delete(owner);
    else ofOwner.set(owner, own);
  };
  return {
    take: (owner, bytes) => {
      if (held + bytes > most || (ofOwner.get(owner) ?? 0) + bytes > mostOfOne) return undefined;
      let size = bytes;
      change(owner, size);
      const resize = (next: number): void => {
        change(owner, next - size);
        size = next;
      };
      let isReleased = false;
      return {
        resize: (next) => (isReleased ? undefined : resize(next)),
        release: () => {
          if (!isReleased) resize(0);
          isReleased = true;
        },
      };
    },
  };
}
