import { expect, test } from './reader.js'

test('A piece that fails says so everywhere, and is made after all without loading again', async ({
  page,
  reader,
  machine,
  say,
}) => {
  await reader.enterAsGuest()
  const drawer = await reader.openDrawer()
  await drawer.getByRole('button', { name: say('failNext') }).click()
  await reader.button('drawer').click()
  await page.evaluate(() => Object.assign(window, { isTheSame: true }))
  await reader.begin('Dracula')
  const track = reader.track('v0')
  await reader.isNow(track, 'error')
  await expect(track.locator('[data-phase="failed"]')).toHaveText('Failed')
  await expect(track.getByText('No music came of it this time. Try again.')).toBeVisible()
  await expect(page.locator('[data-sonner-toast][data-type="error"]')).toContainText(
    'No music came of it this time. Try again.',
  )

  await track.getByRole('button', { name: say('retry') }).click()
  await reader.isNow(track, 'generating')
  await reader.isNow(track, 'completed')
  await expect(track.getByRole('button', { name: say('play'), exact: true })).toBeEnabled()
  expect(await page.evaluate(() => 'isTheSame' in window)).toBe(true)
  expect((await machine.state()).worker).toBe('running')
})

test('Without Realtime a piece is followed by asking, and live again when it is let in', async ({
  page,
  reader,
  machine,
  excuses,
  say,
}) => {
  excuses.push(/^WebSocket connection to 'ws:\S+' failed: .* 503 /)
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin('Emma')
  const drawer = await reader.openDrawer()
  const connection = drawer.getByTestId('connection')
  await expect(connection).toHaveAttribute('data-connection', 'live')
  await reader.isNow(reader.track('v0'), 'generating')
  await drawer.getByRole('button', { name: say('cutRealtime') }).click()
  await expect(connection).toHaveAttribute('data-connection', 'polling')
  await expect(page.getByText(say('slow'))).toBeVisible()
  await machine.lead('done')
  await reader.isNow(reader.track('v0'), 'completed')
  expect((await machine.state()).realtime).toBe('refused')

  await drawer.getByRole('button', { name: say('allowRealtime') }).click()
  await reader.button('drawer').click()
  await reader.write({ memo: 'Matchmaking again' })
  await reader.openDrawer()
  await expect(connection).toHaveAttribute('data-connection', 'live')
  await expect(page.getByText(say('slow'))).toBeHidden()
  await machine.lead('done')
  await reader.isNow(reader.track('v1'), 'completed')
})

test('A worker that is killed loses no piece, and the next one pays nothing twice', async ({
  reader,
  machine,
  say,
}) => {
  await machine.hold()
  await reader.enterAsGuest()
  const { paid_calls: before } = await machine.state()
  await reader.begin('Ulysses')
  const drawer = await reader.openDrawer()
  await expect(drawer.getByTestId('paid-calls')).toHaveText(String(before + 1))
  await drawer.getByRole('button', { name: say('killWorker') }).click()
  await expect(drawer.getByText(`${say('worker')}: ${say('workerStopped')}`)).toBeVisible()
  await machine.lead('done')
  await reader.isNow(reader.track('v0'), 'generating')
  await drawer.getByRole('button', { name: say('startWorker') }).click()
  await reader.isNow(reader.track('v0'), 'completed')
  expect((await machine.state()).paid_calls).toBe(before + 1)
})
