import { expect, test } from './reader.js'

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
