const digit = () => Math.floor(Math.random() * 16).toString(16)

/** A random UUID, also where `randomUUID` is missing: without https, and in React Native. */
export const newId = (): string =>
  globalThis.crypto?.randomUUID?.() ?? '........-....-4...-8...-............'.replace(/\./g, digit)
