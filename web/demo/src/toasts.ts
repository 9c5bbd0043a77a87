/** Short messages. What draws them is loaded with the first one. */

import type { ExternalToast } from 'sonner'

type Kind = 'message' | 'success' | 'error'

const load = () => import('./parts/toaster.js')

/** Tell the reader something in passing. */
export function tell(kind: Kind, words: string, more?: ExternalToast): void {
  void load().then(({ draw, toast }) => {
    draw()
    toast[kind](words, more)
  })
}
