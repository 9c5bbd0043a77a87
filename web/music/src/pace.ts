/** How long is waited for what, in milliseconds; only tests are in a hurry. */
export const PACE = {
  gather: 50,
  whileLive: 60_000,
  whileNot: 3_000,
  request: 10_000,
  rejoin: 1_000,
  linger: 500,
}

export type Pace = typeof PACE
