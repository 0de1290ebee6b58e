/** For how long a rise is shown, in milliseconds: as long as the plots reach. */
const NEWS = 120_000;

/** Sums that only rise, by name, and when each last rose. Its first value does not count as a rise. */
export class Risen {
  #sums = new Map();

  hasRisen(name, sum) {
    const before = this.#sums.get(name);
    if (before?.sum !== sum) this.#sums.set(name, { sum, at: before && sum > before.sum ? Date.now() : 0 });
    return Date.now() - this.#sums.get(name).at < NEWS;
  }

  /** Forgets all but these names. */
  keep(names) {
    for (const name of this.#sums.keys()) if (!names.has(name)) this.#sums.delete(name);
  }
}
