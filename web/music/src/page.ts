/** What a browser tells of its page; elsewhere nothing is ever hidden or offline. */

export const isOffline = () => globalThis.navigator?.onLine === false

/** Whether nothing can or need be shown now. */
export const isAway = () => isOffline() || globalThis.document?.hidden === true

/** Calls `onChange` when the page may have gone or come back. */
export function onReturn(onChange: () => void): () => void {
  const all = [
    [globalThis.document, 'visibilitychange'],
    [globalThis, 'online'],
    [globalThis, 'offline'],
    [globalThis, 'pageshow'],
  ] as const
  for (const [target, event] of all) target?.addEventListener?.(event, onChange)
  return () => {
    for (const [target, event] of all) target?.removeEventListener?.(event, onChange)
  }
}
