import { actionOf } from './error.js'
import type { Explanation, Track } from './types.js'

export type Language = 'en' | 'ko'

type Words = readonly [title: string, sentence: string]

const EN: Record<string, Words> = {
  pending: ['Waiting', 'Your music waits for its turn.'],
  generating: ['In the making', 'Your music is being made.'],
  completed: ['Ready', 'Your music is ready to play.'],
  error: ['Failed', 'Your music could not be made. Try again.'],
  invalid_request: ['Not understood', 'This could not be made into music. Word it differently.'],
  moderation_blocked: ['Not allowed', 'The safety review refused these words. Choose others.'],
  generation_failed: ['Failed', 'No music came of it this time. Try again.'],
  generation_timeout: ['Too slow', 'It was not ready in time. Try again.'],
  over_budget: ['Waits for tomorrow', 'Enough music was made today. This one is made tomorrow.'],
  quota_exhausted: ['Paused', 'No music can be made at the moment. It goes on by itself.'],
  provider_auth: ['Paused', 'No music can be made at the moment. It goes on by itself.'],
  rate_limited: ['Busy', 'Many want music now. Yours is made soon.'],
  provider_unavailable: ['Not reachable', 'The music maker is away. It is tried again by itself.'],
  audio_invalid: ['Damaged', 'The audio could not be used. Try again.'],
  storage_failed: ['Not stored', 'The music is made but could not be stored. Try again later.'],
  submission_unknown: ['Uncertain', 'The connection was lost. Try again if you want it.'],
  cancelled: ['Cancelled', 'You can have it made after all.'],
  attempts_exhausted: ['Given up', 'It failed too often. Try again later.'],
  internal: ['Trouble', 'Something went wrong on our side. Try again later.'],
}

const KO: Record<string, Words> = {
  pending: ['대기 중', '순서를 기다리고 있어요.'],
  generating: ['만드는 중', '음악을 만들고 있어요.'],
  completed: ['완성', '음악을 들을 수 있어요.'],
  error: ['실패', '음악을 만들지 못했어요. 다시 시도해 주세요.'],
  invalid_request: ['이해하지 못함', '이 요청으로는 음악을 만들 수 없어요. 다르게 써 주세요.'],
  moderation_blocked: ['허용되지 않음', '안전 검토에서 거절된 표현이에요. 다르게 써 주세요.'],
  generation_failed: ['실패', '이번에는 음악이 나오지 않았어요. 다시 시도해 주세요.'],
  generation_timeout: ['시간 초과', '제시간에 완성되지 않았어요. 다시 시도해 주세요.'],
  over_budget: ['내일 만들어요', '오늘 만들 수 있는 음악을 다 만들었어요. 내일 만들어 드려요.'],
  quota_exhausted: ['잠시 멈춤', '지금은 음악을 만들 수 없어요. 곧 자동으로 이어져요.'],
  provider_auth: ['잠시 멈춤', '지금은 음악을 만들 수 없어요. 곧 자동으로 이어져요.'],
  rate_limited: ['혼잡', '요청이 많아요. 곧 만들어 드려요.'],
  provider_unavailable: ['연결 안 됨', '음악 서비스에 연결할 수 없어요. 자동으로 다시 시도해요.'],
  audio_invalid: ['손상됨', '오디오를 쓸 수 없어요. 다시 시도해 주세요.'],
  storage_failed: ['저장 실패', '음악을 저장하지 못했어요. 나중에 다시 시도해 주세요.'],
  submission_unknown: ['확인 불가', '연결이 끊겼어요. 원하시면 다시 시도해 주세요.'],
  cancelled: ['취소됨', '다시 만들 수 있어요.'],
  attempts_exhausted: ['중단됨', '여러 번 실패했어요. 나중에 다시 시도해 주세요.'],
  internal: ['문제 발생', '저희 쪽에 문제가 생겼어요. 나중에 다시 시도해 주세요.'],
}

/** What there is to say to a person about a track that waits, is made, or has failed. */
export function explain(
  { status, error_code: code }: Pick<Track, 'status' | 'error_code'>,
  language: Language = 'en',
): Explanation {
  const all = language === 'ko' ? KO : EN
  const known = status !== 'completed' && code ? all[code] : undefined
  // An unknown status is one that is still to end, an unknown code one of a failure.
  const [title, sentence] = known ?? all[status] ?? all.generating!
  const ofError = known && code ? actionOf(code) : 'retry'
  const action = status === 'error' ? ofError : status === 'completed' ? 'none' : 'wait'
  return { title, sentence, action }
}
