import { expect, listen, Reader, test } from './reader.js'

const newEmail = () => `${crypto.randomUUID()}@example.com`

test('Loading the page again in the middle changes nothing', async ({ page, reader, machine }) => {
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin()
  await reader.isNow(reader.track('v0'), 'generating')
  await page.reload()
  await reader.isNow(reader.track('v0'), 'generating')
  await machine.lead('done')
  await reader.isNow(reader.track('v0'), 'completed')
  await page.reload()
  await reader.isNow(reader.track('v0'), 'completed')
})

test('A second tab follows the same piece, and is signed out with the first', async ({
  page,
  context,
  reader,
  machine,
  say,
}) => {
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin()
  const second = new Reader(await context.newPage(), say)
  await second.page.goto(page.url())
  await second.isNow(second.track('v0'), 'generating')
  await machine.lead('done')
  for (const tab of [reader, second]) await tab.isNow(tab.track('v0'), 'completed')
  await reader.button('signOut').click()
  for (const tab of [reader, second]) await expect(tab.heading('pitch')).toBeVisible()
})

test('Who signs out in the middle hears nothing more, and finds the piece on coming back', async ({
  page,
  reader,
  machine,
  say,
}) => {
  const email = newEmail()
  await machine.hold()
  await reader.signUp(email)
  await reader.begin()
  await reader.isNow(reader.track('v0'), 'generating')
  await machine.lead('streaming')
  const heard = await listen(page)
  await reader.track('v0').getByRole('button', { name: say('listenEarly') }).click()
  await expect.poll(async () => (await heard()).length).toBeGreaterThan(2)
  await reader.button('signOut').click()
  await expect(reader.heading('pitch')).toBeVisible()
  await expect(reader.tracks).toHaveCount(0)
  expect(await page.evaluate(() => document.querySelectorAll('audio[src]').length)).toBe(0)
  await machine.lead('done')
  await page.goto('/')
  await reader.signIn(email)
  await page.getByRole('link', { name: 'Emma' }).click()
  await reader.isNow(reader.track('v0'), 'completed')
})

test("Another reader's journey is refused politely, as is an address of nothing", async ({
  page,
  browser,
  baseURL,
  reader,
  say,
}) => {
  await reader.enterAsGuest()
  await reader.begin()
  const address = page.url()
  const other = await browser.newContext({ baseURL, locale: 'en-GB' })
  const stranger = new Reader(await other.newPage(), say)
  await stranger.enterAsGuest()
  for (const gone of [address, '/journey/1', `/journey/${crypto.randomUUID()}`]) {
    await stranger.page.goto(gone)
    await expect(stranger.heading('gone')).toBeVisible()
    await expect(stranger.tracks).toHaveCount(0)
  }
  await stranger.page.goto('/nowhere/at-all')
  await expect(stranger.heading('notFound')).toBeVisible()
  await stranger.page.getByRole('link', { name: say('home') }).click()
  await expect(stranger.heading('noJourneys')).toBeVisible()
  await other.close()
})

test('Music is made while a reader is offline, and is there when they are back', async ({
  page,
  context,
  reader,
  machine,
  excuses,
  say,
}) => {
  excuses.push(/net::ERR_INTERNET_DISCONNECTED/)
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin()
  await reader.isNow(reader.track('v0'), 'generating')
  await context.setOffline(true)
  await expect(page.getByText(say('offline'))).toBeVisible()
  await machine.lead('done')
  await reader.isNow(reader.track('v0'), 'generating')
  await context.setOffline(false)
  await reader.isNow(reader.track('v0'), 'completed')
  await expect(page.getByText(say('offline'))).toBeHidden()
})

test('A session whose time is over is renewed without a word', async ({ page, reader, machine }) => {
  await machine.hold()
  await reader.enterAsGuest()
  await reader.begin()
  await reader.isNow(reader.track('v0'), 'generating')
  await machine.expire(page)
  await reader.write({ memo: 'An hour later' })
  await machine.lead('done', 2)
  for (const version of ['v0', 'v1']) await reader.isNow(reader.track(version), 'completed')
  await machine.expire(page)
  await page.reload()
  await reader.isNow(reader.track('v1'), 'completed')
  await expect(reader.button('signOut')).toBeVisible()
})
