import { expect, listen, test } from './reader.js'

for (const language of ['en', 'ko'] as const) {
  test.describe(language, () => {
    test.use({ language })

    test('A new reader begins a journey and hears its opening while it is made', async ({
      page,
      reader,
      machine,
      say,
    }) => {
      await machine.hold()
      await reader.signUp(`${crypto.randomUUID()}@example.com`)
      const [title, feeling] = language === 'ko' ? ['엠마', '호기심'] : ['Emma', 'curious']
      await reader.begin(title, feeling)
      await expect(reader.toast('started')).toBeVisible()

      const track = reader.track('v0')
      await reader.isNow(track, 'generating')
      await expect(track.getByTestId('phase')).toContainText(say('making'))
      const bar = track.getByRole('progressbar')
      const first = Number(await bar.getAttribute('aria-valuenow'))
      await expect
        .poll(async () => Number(await bar.getAttribute('aria-valuenow')))
        .toBeGreaterThan(first)

      await machine.lead('streaming')
      const heard = await listen(page)
      await track.getByRole('button', { name: say('listenEarly') }).click()
      await expect(page.getByText(say('nowLive'))).toBeVisible()
      const last = async () => (await heard()).at(-1)
      await expect.poll(async () => (await last())?.seconds).toBeGreaterThan(1)
      await reader.isNow(track, 'generating')
      const stream = await last()
      expect(stream?.source).toContain('/stream/')

      await machine.lead('done')
      await reader.isNow(track, 'completed')
      await expect(page.locator('[data-sonner-toast][data-type="success"]')).toBeVisible()
      await expect.poll(async () => (await last())?.source).not.toContain('/stream/')
      const swapped = (await last())!.seconds
      await expect.poll(async () => (await last())?.seconds).toBeGreaterThan(swapped + 0.5)
      const seconds = (await heard()).map((each) => each.seconds)
      const jumps = seconds.filter((each, at) => at > 0 && each < seconds[at - 1]! - 0.25)
      expect(jumps, `back in ${seconds.join(' ')}`).toEqual([])
    })
  })
}
