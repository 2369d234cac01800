//! A headless Chromium, driven over the DevTools protocol.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// A software adapter, so that every machine shows the same; the Vulkan pair keeps it when a canvas presents.
const WEBGPU: &[&str] = &[
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--use-angle=swiftshader",
];

/// WebGL by software, and no WebGPU.
const WEBGL: &[&str] =
    &["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-features=WebGPU"];

/// How long something may take on a slow machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// The browser's program: `$FERKD_CHROMIUM`, or what the system calls so.
pub fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("FERKD_CHROMIUM") {
        return Some(path.into());
    }
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.iter().flat_map(|name| folders.iter().map(move |at| at.join(name))).find(|path| path.exists())
}

/// A browser with one tab; it ends with its handle.
pub struct Browser {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    last: u64,
    /// What the page wrote to its console as a warning or an error, and what it threw.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with a window of so many points.
    pub fn start(program: &Path, with_webgpu: bool, (width, height): (u32, u32)) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--no-first-run", "--remote-debugging-port=0"])
            .arg("--disable-background-timer-throttling")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .args(if with_webgpu { WEBGPU } else { WEBGL })
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("Chromium says where it listens").unwrap();
            if let Some((_, address)) = line.split_once("DevTools listening on ") {
                break address.to_owned();
            }
        };
        // A pipe that no one reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = tungstenite::connect(&address).unwrap();
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let mut browser = Self {
            process,
            socket,
            session: String::new(),
            last: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().into();
        for domain in ["Page", "Runtime", "Log", "DOM", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(width, height);
        browser
    }

    /// Calls a method of the protocol.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let session = self.session.clone();
        self.try_call_in(&session, method, params)
    }

    /// Calls a method of a tab's session, or of the browser where it is empty.
    fn try_call_in(&mut self, session: &str, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let answer = self.hear();
            if answer["id"] == id {
                let error = &answer["error"];
                return if error.is_null() { Ok(answer["result"].clone()) } else { Err(error.clone()) };
            }
        }
    }

    fn hear(&mut self) -> Value {
        loop {
            let Message::Text(text) = self.socket.read().expect("Chromium answers") else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            let params = &message["params"];
            match message["method"].as_str() {
                Some("Runtime.exceptionThrown") => {
                    self.complaints.push(params["exceptionDetails"].to_string());
                }
                Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                    self.complaints.push(params["args"].to_string());
                }
                Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                    self.complaints.push(params["entry"].to_string());
                }
                _ => {}
            }
            return message;
        }
    }

    /// Opens another tab in front of the page's.
    pub fn hide(&mut self) {
        let url = json!({ "url": "about:blank" });
        self.try_call_in("", "Target.createTarget", url).expect("another tab");
        self.until_true("document.hidden");
    }

    /// Brings the page's tab to the front.
    pub fn unhide(&mut self) {
        self.call("Page.bringToFront", json!({}));
        self.until_true("!document.hidden");
    }

    /// Gives the tab another size, in points.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Prefers dark or light.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Goes to an address.
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({ "url": address }));
    }

    /// The value of a JavaScript expression; promises are waited for.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", ask);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// What `window.ferkd` tells; null while it is not there.
    #[track_caller]
    pub fn state(&mut self) -> Value {
        match self.evaluate("window.ferkd ? ferkd.state() : null") {
            Value::String(text) => serde_json::from_str(&text).unwrap(),
            other => other,
        }
    }

    /// Does something through `window.ferkd`.
    #[track_caller]
    pub fn act(&mut self, name: &str, argument: Value) {
        let argument = Value::String(argument.to_string());
        let said = self.evaluate(&format!("ferkd.act({}, {argument})", json!(name)));
        assert_eq!(said, "", "act {name}");
    }

    /// Waits until `holds` is true of what `window.ferkd` tells.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if !state.is_null() && holds(&state) {
                return state;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for {what}: {state:#}\n{:#?}",
                self.complaints
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a JavaScript expression is true.
    #[track_caller]
    pub fn until_true(&mut self, expression: &str) {
        let begun = Instant::now();
        let ask = json!({ "expression": expression, "returnByValue": true });
        // While the tab goes from one page to the next there is no one to answer.
        while !self
            .try_call("Runtime.evaluate", ask.clone())
            .is_ok_and(|said| said["result"]["value"] == true)
        {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {expression}\n{:#?}", self.complaints);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Does something, and gives what the browser drew meanwhile: milliseconds of every frame's callback, by the clock
    /// and by what its thread computed. The second is what is left where other threads want the same cores.
    pub fn frames_during(&mut self, work: impl FnOnce(&mut Self)) -> Vec<(f64, f64)> {
        let categories = json!(["devtools.timeline", "disabled-by-default-devtools.timeline"]);
        let config = json!({ "includedCategories": categories });
        self.call("Tracing.start", json!({ "transferMode": "ReportEvents", "traceConfig": config }));
        work(self);
        self.call("Tracing.end", json!({}));
        let mut frames = Vec::new();
        loop {
            let message = self.hear();
            let events = message["params"]["value"].as_array().into_iter().flatten();
            let callbacks = events.filter(|event| event["name"] == "FireAnimationFrame");
            frames.extend(
                callbacks
                    .filter_map(|event| Some((event["dur"].as_f64()? / 1e3, event["tdur"].as_f64()? / 1e3))),
            );
            if message["method"] == "Tracing.tracingComplete" {
                return frames;
            }
        }
    }

    /// The tab as a PNG file.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// Presses the mouse at a point, moves it to another in steps, and lets go.
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        const STEPS: u32 = 12;
        let mut mouse = |kind: &str, (x, y): (f64, f64), buttons: u32| {
            let button = if kind == "mouseMoved" && buttons == 0 { "none" } else { "left" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
            std::thread::sleep(Duration::from_millis(30));
        };
        mouse("mouseMoved", from, 0);
        mouse("mousePressed", from, 1);
        for step in 1..=STEPS {
            let share = f64::from(step) / f64::from(STEPS);
            mouse("mouseMoved", (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1)), 1);
        }
        mouse("mouseReleased", to, 0);
    }

    /// Hands files to a file input, as its dialog would.
    pub fn choose_files(&mut self, selector: &str, files: &[PathBuf]) {
        let root = self.call("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let input = self.call("DOM.querySelector", json!({ "nodeId": root, "selector": selector }));
        self.call("DOM.setFileInputFiles", json!({ "nodeId": input["nodeId"], "files": files }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It is gone already, or ends now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
