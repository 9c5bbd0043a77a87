/** What a browser tells of its page; elsewhere nothing is ever hidden or offline. */

export const isOffline = () => globalThis.navigator?.onLine === false

/** Whether nothing can or need be shown now. */
export const isAway = () => isOffline() || globalThis.document?.hidden === true

const EVENTS = ['visibilitychange', 'online', 'offline', 'pageshow']

/** Calls `onChange` when the page may have gone or come back. */
export function onReturn(onChange: () => void): () => void {
  for (const event of EVENTS) globalThis.addEventListener?.(event, onChange)
  return () => {
    for (const event of EVENTS) globalThis.removeEventListener?.(event, onChange)
  }
}
