import { expect, listen, test } from './reader.js'

test.use({ language: 'ko' })

const LYRICS = 'The window stays open\nAnd nobody sleeps in the house tonight\nThe rain has a name'

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
  const lit = words.locator('[aria-current] [data-now]')
  await words.getByRole('button', { name: 'The window stays open' }).click()
  await expect(lit).toHaveText('The')
  await expect(lit).toHaveText('open')
  await words.getByRole('button', { name: 'The rain has a name' }).click()
  await expect(words.locator('[aria-current]')).toHaveText('The rain has a name')
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
