import type { Page } from 'playwright/test'

import { expect, listen, test } from './reader.js'

test.use({ language: 'ko' })

const LYRICS = 'The window stays open\nAnd nobody sleeps in the house tonight\nThe rain has a name'

/** Writes down each word that is lit from now on; a look now and then would miss some. */
async function follow(page: Page): Promise<() => Promise<string>> {
  await page.evaluate(() => {
    const sung: string[] = []
    Object.assign(window, { sung })
    new MutationObserver(() => {
      const word = document.querySelector('[aria-current] [data-now]')?.textContent?.trim()
      if (word && word !== sung.at(-1)) sung.push(word)
    }).observe(document.body, { subtree: true, attributeFilter: ['data-now'] })
  })
  return () => page.evaluate(() => (window as unknown as { sung: string[] }).sung.join(' '))
}

test('Two entries are made side by side, and the words of a song are lit as they are sung', async ({
  page,
  reader,
  machine,
  say,
}) => {
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin('오만과 편견')
  await reader.write({ quote: 'It is a truth universally acknowledged', memo: '웃음이 났다' })
  await reader.write({ memo: '비가 온다', words: 'ownWords', lyrics: LYRICS })
  const made = ['v1', 'v2'].map((version) => reader.track(version))
  for (const track of made) await reader.isNow(track, 'generating')
  await machine.lead('streaming', 3)
  for (const track of made) await expect(track.getByRole('button', { name: say('listenEarly') })).toBeEnabled()
  await machine.lead('done', 3)
  for (const track of [...made, reader.track('v0')]) await reader.isNow(track, 'completed')
  await expect(made[1]!.getByTestId('phase')).toContainText(say('done'))

  await made[1]!.getByRole('button', { name: say('play'), exact: true }).click()
  await reader.button('lyrics').click()
  const words = page.getByRole('list', { name: say('lyrics') })
  await expect(words.getByRole('listitem')).toHaveCount(LYRICS.split('\n').length)
  const sung = await follow(page)
  for (const line of ['The window stays open', 'The rain has a name']) {
    await words.getByRole('button', { name: line }).click()
    await expect.poll(sung).toContain(line)
  }
})

test('Another piece begins at its beginning, though a stream was heard before', async ({
  page,
  reader,
  machine,
  say,
}) => {
  await reader.enterAsGuest()
  await reader.begin('엠마')
  await reader.isNow(reader.track('v0'), 'completed')
  await machine.hold()
  await reader.write({ memo: '비가 온다' })
  await machine.lead('streaming')
  const heard = await listen(page)
  const last = async () => (await heard()).at(-1)
  await reader.track('v1').getByRole('button', { name: say('listenEarly') }).click()
  await expect.poll(async () => (await last())?.seconds).toBeGreaterThan(4)
  await reader.track('v0').getByRole('button', { name: say('play'), exact: true }).click()
  await expect.poll(async () => (await last())?.source).not.toContain('/stream/')
  const first = (await heard()).find(({ source }) => !source.includes('/stream/'))
  expect(first!.seconds).toBeLessThan(4)
  await reader.button('closePlayer').click()
  const isSilent = () => [...document.querySelectorAll('audio')].every(({ paused }) => paused)
  await expect.poll(() => page.evaluate(isSilent)).toBe(true)
})
