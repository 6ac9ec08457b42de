/** What does a page load that is for signed-in people only, and needs nothing else? This. */

import { createKeyward } from './keyward.js';

createKeyward({ private: true });
