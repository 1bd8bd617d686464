/** Does one thing after the other. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Does it when all before it are done, whatever became of them. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const done = this.#last.then(job, job);
    this.#last = done.catch(() => {});
    return done;
  }
}
