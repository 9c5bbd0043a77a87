/** What every test has: a page that may say no error, a machine to steer, and a reader's steps. */

import {
  expect,
  test as base,
  type APIRequestContext,
  type BrowserContext,
  type Locator,
  type Page,
} from 'playwright/test'

import { text, type Language, type TextName } from '../src/texts.js'
import { addresses } from './served.js'

export { expect }

export const PASSWORD = 'correct horse'

interface Given {
  language: Language
  say: (name: TextName, values?: Record<string, string | number>) => string
  machine: Machine
  reader: Reader
  /** Errors that the browser is to write in its console, because the test makes them. */
  excuses: RegExp[]
}

export const test = base.extend<Given>({
  language: ['en', { option: true }],
  locale: ({ language }, use) => use(language === 'ko' ? 'ko-KR' : 'en-GB'),
  baseURL: ({}, use, { parallelIndex }) => use(addresses[parallelIndex]),
  excuses: ({}, use) => use([]),
  say: ({ language }, use) => use((name, values) => text(language, name, values)),
  context: async ({ context, excuses }, use) => {
    const errors = errorsOf(context)
    await use(context)
    const unexcused = errors.filter((error) => !excuses.some((excuse) => excuse.test(error)))
    expect(unexcused, 'errors that the browser wrote in its console').toEqual([])
  },
  machine: async ({ request }, use) => {
    const machine = new Machine(request)
    await machine.mend()
    await use(machine)
    await machine.mend()
  },
  reader: ({ page, say, machine: _ }, use) => use(new Reader(page, say)),
})

function errorsOf(context: BrowserContext): string[] {
  const errors: string[] = []
  context.on('weberror', (error) => errors.push(String(error.error().stack)))
  context.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`)
  })
  return errors
}

interface State {
  worker: 'running' | 'stopped'
  paid_calls: number
  realtime: 'on' | 'refused'
}

/** What stands behind the page. */
export class Machine {
  constructor(private readonly request: APIRequestContext) {}

  async state(): Promise<State> {
    return (await this.request.get('/dev/state')).json()
  }

  /** Each piece stays where it is in its making from now on, until it is led on by `lead`. */
  hold = () => this.post('pace', { seconds: 600 })

  /** Lets the pieces that are being made sound, or be done, once they are as many as that. */
  lead = (stage: 'streaming' | 'done', pieces = 1) => this.post('lead', { stage, pieces })

  realtime = (on: boolean) => this.post('realtime', { on })
  worker = (running: boolean) => this.post('worker', { running })

  /** So many of the next pieces come to nothing. */
  fail = (times: number) => this.post('provider', { fail_next: times })

  /** All is well again. */
  async mend(): Promise<void> {
    await this.lead('done', 0)
    await this.post('pace', {})
    await this.fail(0)
    await this.realtime(true)
    await this.worker(true)
  }

  /** Makes a user's session one whose time is over, for the server as for the page. */
  async expire(page: Page): Promise<void> {
    const [name, kept] = await page.evaluate(() =>
      Object.entries(localStorage).find(([key]) => key.endsWith('-auth-token')) ?? ['', ''],
    )
    const session = JSON.parse(kept as string)
    const { token, expires_at } = await this.post('expired', { token: session.access_token })
    const over = JSON.stringify({ ...session, access_token: token, expires_at })
    await page.evaluate(([key, value]) => localStorage.setItem(key!, value!), [name, over] as const)
  }

  private async post(path: string, data: object): Promise<any> {
    const answer = await this.request.post(`/dev/${path}`, { data })
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true)
    return answer.json()
  }
}

/** A reader at a page. */
export class Reader {
  constructor(
    readonly page: Page,
    private readonly say: Given['say'],
  ) {}

  /** The strips of music on the page, the latest entry first. */
  get tracks(): Locator {
    return this.page.getByTestId('track')
  }

  entry(version: string): Locator {
    return this.page.locator(`[data-version="${version}"]`)
  }

  track(version: string): Locator {
    return this.entry(version).getByTestId('track')
  }

  async enterAsGuest(): Promise<void> {
    await this.page.goto('/')
    await this.button('asGuest').click()
    await expect(this.heading('noJourneys')).toBeVisible()
  }

  async signUp(email: string): Promise<void> {
    await this.page.goto('/')
    await this.fillSignIn(email)
    await this.button('signUp').click()
    await expect(this.heading('noJourneys')).toBeVisible()
  }

  async signIn(email: string): Promise<void> {
    await this.button('toSignIn').click()
    await this.fillSignIn(email)
    await this.button('signIn').click()
    await expect(this.heading('journeys')).toBeVisible()
  }

  private async fillSignIn(email: string): Promise<void> {
    await this.page.getByLabel(this.say('email')).fill(email)
    await this.page.getByLabel(this.say('password')).fill(PASSWORD)
  }

  /** Begins a journey with a book of the shelf and comes to its page. */
  async begin(title = 'Emma', feeling?: string): Promise<void> {
    await this.page.getByRole('link', { name: this.say('newJourney') }).click()
    await this.page.getByRole('searchbox', { name: this.say('searchBook') }).fill(title)
    const books = this.page.getByRole('list', { name: this.say('books') })
    await books.getByRole('button', { name: `${title},` }).click()
    if (feeling) await this.page.getByText(feeling, { exact: true }).click()
    await this.button('beginNow').click()
    await expect(this.page).toHaveURL(/\/journey\/[0-9a-f-]{36}$/)
    await expect(this.page.getByRole('heading', { level: 1, name: title })).toBeVisible()
    await expect(this.tracks).toHaveCount(1)
  }

  async write(log: { quote?: string; memo?: string; words?: TextName; lyrics?: string }): Promise<void> {
    const form = this.page.getByRole('form', { name: this.say('addLog') })
    const { quote = '', memo = '', words = 'instrumental', lyrics } = log
    await form.getByLabel(this.say('quote')).fill(quote)
    await form.getByLabel(this.say('memo')).fill(memo)
    await form.getByText(this.say(words), { exact: true }).click()
    if (lyrics) await form.getByLabel(this.say('ownWordsField')).fill(lyrics)
    const before = await this.tracks.count()
    await form.getByRole('button', { name: this.say('makeMusic') }).click()
    await expect(this.tracks).toHaveCount(before + 1)
  }

  async openDrawer(): Promise<Locator> {
    await this.button('drawer').click()
    return this.page.getByRole('complementary', { name: this.say('drawer') })
  }

  /** Waits for a piece to come to a status. */
  async isNow(track: Locator, status: 'generating' | 'completed' | 'error'): Promise<void> {
    await expect(track).toHaveAttribute('data-status', status)
  }

  toast(name: TextName, values?: Record<string, string | number>): Locator {
    return this.page.locator('[data-sonner-toast]').filter({ hasText: this.say(name, values) })
  }

  button(name: TextName, exact = true): Locator {
    return this.page.getByRole('button', { name: this.say(name), exact })
  }

  heading(name: TextName): Locator {
    return this.page.getByRole('heading', { name: this.say(name) })
  }
}

export interface Heard {
  /** The address without its query. */
  source: string
  seconds: number
}

/** Writes down what sounds, ten times a second, from now on. */
export async function listen(page: Page): Promise<() => Promise<Heard[]>> {
  await page.evaluate(() => {
    const heard: Heard[] = []
    Object.assign(window, { heard })
    setInterval(() => {
      for (const audio of document.querySelectorAll('audio')) {
        if (audio.paused || audio.seeking || audio.readyState < 3) continue
        heard.push({ source: audio.currentSrc.split('?', 1)[0]!, seconds: audio.currentTime })
      }
    }, 100)
  })
  return () => page.evaluate(() => (window as unknown as { heard: Heard[] }).heard)
}

/** Waits until the piece that began last is heard, and goes on a few seconds before its end. */
export async function goNearTheEnd(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const playing = [...document.querySelectorAll('audio')].filter(({ paused }) => !paused)
    const [last] = playing.sort((one, other) => one.currentTime - other.currentTime)
    if (!last || last.currentTime < 0.5) return false
    last.currentTime = last.duration - 4
    return true
  })
}
