/** Where the page is served: one address for each test at a time. */

export const addresses = JSON.parse(process.env.DEMO_URLS ?? '["http://127.0.0.1:54321"]') as string[]
