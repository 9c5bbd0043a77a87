/** Where the page is served: one address for each test at a time. */

const { DEMO_URLS } = process.env
if (!DEMO_URLS) throw new Error('tests/integration/test_demo_app.py runs these and says where.')

export const addresses = JSON.parse(DEMO_URLS) as string[]
