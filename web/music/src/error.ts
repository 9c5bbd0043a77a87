import type { Action, Track } from './types.js'

// The beginnings of codes: those of rows, of `MusicError`, and SQLSTATEs.
const REWORD = /^(invalid|mod|23514)/
const RETRY = /^(gen|audio|stor|subm|cancel|attempts|int|unreach)/
const WAIT = /^(over|quota|prov|rate|time|MU009|MU010)/

/** What a user can do about a code. */
export const actionOf = (code: string): Action =>
  REWORD.test(code) ? 'reword' : RETRY.test(code) ? 'retry' : WAIT.test(code) ? 'wait' : 'none'

/**
 * Why something was not done.
 *
 * `code` is the SQLSTATE of a refusal, such as `MU009`, or one of `deleted`, `timeout`, `not_found`,
 * `not_signed_in`, `unreachable`. `message` is a sentence for the user.
 */
export class MusicError extends Error {
  override readonly name = 'MusicError'
  readonly action: Action
  readonly code: string
  readonly track: Track | undefined

  constructor(code: string, message: string, track?: Track | null) {
    super(message)
    this.code = code
    this.track = track ?? undefined
    this.action = actionOf(code)
  }
}
