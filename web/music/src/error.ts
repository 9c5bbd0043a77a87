import type { Action, Track } from './types.js'

const REWORD = /^(invalid_request|moderation_blocked|23514)$/
const RETRY =
  /^(generation_|audio_invalid|storage_failed|submission_unknown|cancelled|attempts_|internal|unreachable)/
const WAIT =
  /^(over_budget|quota_|provider_|rate_limited|timeout|MU009|MU010|PGRST00|08|53|57)/

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

  constructor(
    readonly code: string,
    message: string,
    readonly track?: Track,
  ) {
    super(message)
    this.action = actionOf(code)
  }
}
