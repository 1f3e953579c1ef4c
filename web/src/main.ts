import { mount } from "svelte";
import App from "./App.svelte";
import "./style.css";
import { followAddress } from "./state.svelte";

followAddress();
const target = document.getElementById("app");
if (target) mount(App, { target });
