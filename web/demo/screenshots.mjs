/**
 * Pictures of each page and state, for eyes.
 *
 *   npm run screenshots                       of what `music-service dev` serves
 *   npm run screenshots -- URL [FOLDER]       of another address, to another folder
 *   npm run screenshots -- URL FOLDER --film  the first minute as a moving picture (needs ffmpeg)
 */

import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { chromium } from 'playwright'

const [url = 'http://127.0.0.1:54321', folder = pathOf('../../docs/screenshots'), film] =
  process.argv.slice(2)
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1440, height: 900 } }
const THEMES = ['light', 'dark']
const LANGUAGES = { en: 'en-US', ko: 'ko-KR' }
const QUOTE = {
  en: 'She had the perpetual sense of being out, out, far out to sea and alone.',
  ko: '그녀는 언제나 바다 멀리, 멀리 홀로 나와 있는 것만 같았다.',
}
const PATIENCE_MS = 120_000

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
})
mkdirSync(folder, { recursive: true })
if (film) await makeFilm()
else {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const theme of THEMES) {
      for (const language of Object.keys(LANGUAGES)) {
        await withPage({ viewport, theme, language }, (page) =>
          tour(page, language, (state) =>
            page.screenshot({
              path: join(folder, `${state}-${size}-${theme}-${language}.jpg`),
              type: 'jpeg',
              quality: 45,
            }),
          ),
        )
        console.log(`${size}, ${theme}, ${language}`)
      }
    }
  }
}
await browser.close()

async function withPage({ viewport, theme, language }, use) {
  const context = await browser.newContext({
    viewport,
    colorScheme: theme,
    locale: LANGUAGES[language],
    baseURL: url,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(PATIENCE_MS)
  await use(page)
  await context.close()
}

/** Through the pages in the order in which a reader sees them. */
async function tour(page, language, shoot) {
  await page.goto('/')
  await page.locator('#email').waitFor()
  await shoot('1-sign-in')
  await signUp(page)
  await page.locator('main a[href="/journey/new"]').waitFor()
  await shoot('2-empty')

  await page.locator('main a[href="/journey/new"]').click()
  await page.getByRole('searchbox').fill('woolf')
  await page.locator('main li button').first().click()
  await page.locator('fieldset label').nth(5).click()
  await shoot('3-new-journey')

  await page.locator('form button[type=submit]').click()
  await track(page, 'v0', 'generating').waitFor()
  await addLog(page, language)
  await track(page, 'v1', 'generating').waitFor()
  await page.evaluate(() => scrollTo(0, 0))
  await shoot('4-making')

  await track(page, 'v1', 'completed').waitFor()
  await track(page, 'v0', 'completed').waitFor()
  await track(page, 'v1', 'completed').getByRole('button').first().click()
  await page.getByTestId('now-playing').waitFor()
  await page.waitForTimeout(2500)
  await page.evaluate(() => scrollTo(0, 0))
  await shoot('5-playing')

  await page.locator('section button[aria-expanded]').first().click()
  await page.locator('.music-word').first().waitFor()
  await page.waitForTimeout(2500)
  await shoot('6-words')
  await page.locator('section button[aria-expanded]').first().click()

  await page.locator('header button[aria-expanded]').click()
  await page.getByTestId('paid-calls').waitFor()
  await page.waitForTimeout(600)
  await shoot('7-what-happens')
  await page.keyboard.press('Escape')

  await failNext()
  await addLog(page, language)
  await track(page, 'v2', 'error').waitFor()
  await page.evaluate(() => scrollTo(0, 300))
  await shoot('8-failed')

  await page.goto('/')
  await page.locator('main li').first().waitFor()
  await shoot('9-library')
  await page.goto('/operate')
  await page.locator('table').first().waitFor()
  await shoot('10-operate')
}

function track(page, version, status) {
  const entry = page.locator(`[data-version=${version}]`)
  return entry.locator(`[data-testid=track][data-status=${status}]`)
}

async function signUp(page) {
  await page.locator('#email').fill(`${randomUUID()}@example.com`)
  await page.locator('#password').fill('correct horse battery')
  await page.locator('form button[type=submit]').click()
}

/** Where there is little room the form is behind a button. */
async function addLog(page, language) {
  const opener = page.locator('main button[aria-expanded]:visible')
  if (await opener.count()) await opener.click()
  await page.locator('#quote').fill(QUOTE[language])
  await page.locator('form fieldset').first().locator('label').nth(5).click()
  await page.locator('label:has(input[name=words])').last().click()
  await page.locator('form button[type=submit]').click()
}

async function failNext() {
  await fetch(`${url}/dev/provider`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ fail_next: 1 }),
  })
}

/** From the first page to the words that are sung, two pictures a second. */
async function makeFilm() {
  const frames = mkdtempSync(join(tmpdir(), 'film-'))
  const viewport = { width: 1120, height: 700 }
  await withPage({ viewport, theme: 'light', language: 'en' }, async (page) => {
    let count = 0
    let isOver = false
    const filming = (async () => {
      while (!isOver) {
        const path = join(frames, `${String(count++).padStart(4, '0')}.png`)
        const next = page.waitForTimeout(500)
        await page.screenshot({ path })
        await next
      }
    })()
    await page.goto('/')
    await page.waitForTimeout(1500)
    await signUp(page)
    await page.locator('main a[href="/journey/new"]').click()
    await page.waitForTimeout(1000)
    await page.getByRole('searchbox').pressSequentially('woolf', { delay: 120 })
    await page.locator('main li button').first().click()
    await page.locator('fieldset label').nth(5).click()
    await page.waitForTimeout(800)
    await page.locator('form button[type=submit]').click()
    await track(page, 'v0', 'generating').waitFor()
    await page.waitForTimeout(1500)
    await addLog(page, 'en')
    await page.evaluate(() => scrollTo(0, 200))
    await track(page, 'v0', 'generating').getByRole('button', { name: 'Listen' }).click()
    await track(page, 'v1', 'completed').waitFor()
    await page.waitForTimeout(1500)
    await track(page, 'v1', 'completed').getByRole('button').first().click()
    await page.locator('section button[aria-expanded]').first().click()
    await page.waitForTimeout(8000)
    isOver = true
    await filming
  })
  execFileSync('ffmpeg', [
    ...['-loglevel', 'error', '-y', '-framerate', '4', '-i', join(frames, '%04d.png')],
    ...['-vf', 'scale=840:-1', '-loop', '0', '-quality', '80', join(folder, 'first-minute.webp')],
  ])
  rmSync(frames, { recursive: true })
}

function pathOf(relative) {
  return fileURLToPath(new URL(relative, import.meta.url))
}
