/** How does axios get what `kw.fetch` does? By one interceptor. */

/**
 * A 401 that Keyward marked brings one refresh, which all calls share, and the request once more.
 * @param {any} axios The instance.
 * @param {Pick<import('./types.js').Keyward, 'refresh'>} keyward
 * @returns {() => void} Takes it away again.
 */
export function withKeyward(axios, keyward) {
  const id = axios.interceptors.response.use(undefined, async (error) => {
    const { config, response } = error;
    const code = response?.status === 401 && response.headers['x-keyward-error'];
    if (!code || code === 'invalid_credentials' || config.keyward) throw error;
    const { origin, pathname } = new URL(axios.getUri(config), location.href);
    if (origin !== location.origin || /\/(login|refresh)$/.test(pathname)) throw error;
    if (config.data instanceof ReadableStream || !(await keyward.refresh())) throw error;
    return axios.request({ ...config, keyward: true });
  });
  return () => axios.interceptors.response.eject(id);
}
